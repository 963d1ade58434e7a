//! libtorch's loops run on the threads of pg-threads, and on no others.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use object::read::ReadCache;
use object::{Object as _, ObjectSymbol as _};
use tch::{Device, Kind, Tensor};

/// Names of OpenMP's functions among the dynamic symbols of a file that it defines, or that it wants from others.
fn openmp_functions(path: &Path, defined: bool) -> BTreeSet<String> {
    let cache = ReadCache::new(File::open(path).unwrap());
    let file = object::File::parse(&cache).unwrap();
    let is_wanted = |symbol: &object::Symbol<'_, '_, &ReadCache<File>>| symbol.is_undefined() != defined;
    let names =
        file.dynamic_symbols().filter(is_wanted).filter_map(|symbol| symbol.name().ok().map(str::to_owned));
    names
        .filter(|name| ["GOMP_", "omp_", "GOACC_", "__kmpc_"].iter().any(|start| name.starts_with(start)))
        .collect()
}

fn libtorch() -> PathBuf {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let path = maps
        .lines()
        .find_map(|line| Some(&line[line.find('/')?..]).filter(|path| path.ends_with("/libtorch_cpu.so")));
    path.unwrap().into()
}

/// Names of this process's threads.
fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    tasks
        .map(|task| fs::read_to_string(task.unwrap().path().join("comm")).unwrap().trim().to_owned())
        .collect()
}

#[test]
fn every_openmp_function_that_libtorch_calls_is_ours() {
    let _ = Tensor::zeros([1], (Kind::Float, Device::Cpu));
    let wanted = openmp_functions(&libtorch(), false);
    assert!(wanted.contains("GOMP_parallel") && wanted.len() > 20, "{wanted:?}");
    // Those that the executable does not export would be libgomp's, which knows nothing of our teams.
    let ours = openmp_functions(Path::new("/proc/self/exe"), true);
    let missing: Vec<_> = wanted.difference(&ours).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn operations_of_libtorch_run_on_the_pool_and_give_the_same_with_it_and_without() {
    let run = |count: usize| {
        std::thread::spawn(move || {
            pg_networks::set_threads(count).unwrap();
            assert_eq!(tch::get_num_threads() as usize, count);
            let x = Tensor::arange(300_000, (Kind::Float, Device::Cpu)).view([300, 1000]) * 1e-3;
            let y = (&x.sin() * &x.cos()).sigmoid();
            // Pointwise, by oneDNN, by MKL.
            let image = y.view([3, 10, 100, 100]);
            let kernel = Tensor::ones([4, 10, 3, 3], (Kind::Float, Device::Cpu)) * 0.01;
            let convolved = image.conv2d::<Tensor>(&kernel, None, 1, 1, 1, 1);
            let product = y.matmul(&y.transpose(0, 1));
            let computing = threads().iter().filter(|name| name.starts_with("compute-")).count();
            let numbers = |t: &Tensor| Vec::<f32>::try_from(t.flatten(0, -1)).unwrap();
            (numbers(&y), numbers(&convolved), numbers(&product), computing)
        })
        .join()
        .unwrap()
    };
    let before = threads().len();
    let (one, three) = (run(1), run(3));
    assert_eq!((one.3, three.3), (0, 2), "workers of the pool");
    assert!(threads().len() <= before + 2, "no threads but the pool's: {:?}", threads());
    assert_eq!(one.0, three.0);
    let far = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(a, b)| (a - b).abs() / a.abs().max(1.0)).fold(0.0, f32::max)
    };
    assert!(far(&one.1, &three.1) < 1e-5 && far(&one.2, &three.2) < 1e-5);
}
