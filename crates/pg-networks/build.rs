//! Compiles the bridge to libtorch, and lets binaries and tests of this package find libtorch where they
//! were linked against it.

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-changed=src/torch_bridge/bridge.cpp");
    println!("cargo:rerun-if-changed=src/torch_bridge/arrivals.cpp");
    let Ok(libtorch) = std::env::var("LIBTORCH") else { return };
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .include(format!("{libtorch}/include"))
        .include(format!("{libtorch}/include/torch/csrc/api/include"))
        .warnings(false)
        .file("src/torch_bridge/bridge.cpp")
        .file("src/torch_bridge/arrivals.cpp")
        .compile("pg_torch_bridge");
    println!("cargo:rustc-link-search=native={libtorch}/lib");
    println!("cargo:rustc-link-lib=torch_cpu");
    println!("cargo:rustc-link-lib=c10");
    // RUNPATH (new dtags), so that LD_LIBRARY_PATH still wins when the binary is moved elsewhere;
    // beside the executable, for folders that carry their libtorch with them.
    println!(
        "cargo:rustc-link-arg=-Wl,--enable-new-dtags,-rpath,{libtorch}/lib,-rpath,$ORIGIN/lib,-rpath,$ORIGIN"
    );
}
