//! Lets binaries and tests of this package find libtorch where they were linked against it.

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let Ok(libtorch) = std::env::var("LIBTORCH") else { return };
    // RUNPATH (new dtags), so that LD_LIBRARY_PATH still wins when the binary is moved elsewhere;
    // beside the executable, for folders that carry their libtorch with them.
    println!(
        "cargo:rustc-link-arg=-Wl,--enable-new-dtags,-rpath,{libtorch}/lib,-rpath,$ORIGIN/lib,-rpath,$ORIGIN"
    );
}
