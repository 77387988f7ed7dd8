//! README's first command, as written: it builds, and shows the main job on a real database.

use std::process::Command;

#[test]
fn the_tour_ends_well_and_shows_what_was_proven() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new("sh")
        .arg("tests/tour.sh")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("TMPDIR", folder.path())
        .output()
        .expect("sh is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for proof in [
        "signature  good, ECDSA P-384",
        "chain      in its place: 1 of 1",
        "every byte as stated",
        "(exit code 24)",
        "databases  1 checked by SQLite, sound",
        "\nok\n",
    ] {
        assert!(said.contains(proof), "{proof:?} is missing in:\n{said}");
    }
}
