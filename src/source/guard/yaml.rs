//! The tree of a YAML text with the place of every value.

use std::collections::HashMap;

use granit_parser::Event;
use granit_parser::Parser;
use granit_parser::ScalarStyle;
use granit_parser::Tag;

use super::hits::Hits;
use super::tree::Scalar;
use super::tree::Style;
use super::tree::Walker;

/// The hits in YAML; `None` when it does not parse, as templates of it do not.
pub(super) fn walk(text: &str) -> Option<Hits> {
    let mut walker = Walker::new(text);
    let mut anchored: HashMap<usize, Scalar<'_>> = HashMap::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        match event {
            Event::MappingStart(..) => walker.begin_mapping(),
            Event::SequenceStart(..) => walker.begin_list(),
            Event::MappingEnd | Event::SequenceEnd => walker.end(),
            // The value stands where its anchor is; here is another key for it.
            Event::Alias(anchor) => match anchored.get(&anchor) {
                Some(scalar) => walker.scalar(Scalar::clone(scalar)),
                None => walker.skip(),
            },
            Event::UnresolvedAlias(..) => walker.skip(),
            Event::Scalar(value, style, anchor, tag) => {
                let scalar = Scalar {
                    value,
                    at: span.byte_range()?,
                    style: style_of(style),
                    is_reference: tag.is_some_and(|tag| names_something(&tag)),
                };
                if anchor != 0 {
                    let _earlier = anchored.insert(anchor, scalar.clone());
                }
                walker.scalar(scalar);
            }
            // Marks of the stream and its documents hold no values.
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..)
            | _ => {}
        }
    }
    Some(walker.finish())
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    }
}

/// Local tags by which programs replace the value: Ansible, Home Assistant, `CloudFormation`, `GitLab` and the like.
const REFERENCES: [&str; 16] = [
    "vault",
    "secret",
    "env",
    "env_var",
    "envvar",
    "ref",
    "sub",
    "getatt",
    "importvalue",
    "reference",
    "include",
    "file",
    "lookup",
    "config",
    "sops",
    "encrypted",
];

fn names_something(tag: &Tag) -> bool {
    tag.handle() == "!" && REFERENCES.contains(&tag.suffix().to_lowercase().as_str())
}
