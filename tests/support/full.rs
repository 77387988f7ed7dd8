//! A store on a disk that is full before a bundle is whole.

use crate::cli::PROGRAM;
use crate::cli::Ran;
use crate::cli::World;

const SCRIPT: &str = r#"
    mkdir full; mount -t tmpfs -o size=1m none full; cp -a store full/store
    back_up() { "$PROGRAM" backup --store full/store --set full --source "$SOURCE"; }
    code=0; back_up 2> said || code=$?
    cat said >&2
    test $code = 50; grep -q 'No space left' said; grep -q 'nothing was published' said
    test -z "$(find full -name '.hub-tmp-*')"
    mount -o remount,size=200m full
    back_up > /dev/null
    "$PROGRAM" verify --all --store full/store > verified
    grep -q '^1 bundle, 0 not proven' verified
"#;

/// A backup of `source`, of more than 1 MiB, leaves nothing on the full disk, and one to the same disk with more room is good. `password` is what
/// `PGPASSWORD` holds.
pub(crate) fn fill_the_store(world: &World, source: &str, password: &str) {
    let output = world
        .command("unshare")
        .args(["-rm", "bash", "-euc", SCRIPT])
        .env("PROGRAM", PROGRAM)
        .env("SOURCE", source)
        .env("PGPASSWORD", password)
        .output();
    let _ran = Ran::new(output.expect("unshare is installed")).expect_code(0, "full disk");
}
