//! The Python wheels that carry the native libraries: version, SHA-256 and size of each, and what is
//! taken out of them.
//!
//! The versions belong together. `tch` 0.24 binds libtorch 2.11.0 and no other; `ort` 2.0.0-rc.15 with
//! `api-24` loads ONNX Runtime 1.24 and later. The NVIDIA wheels are those that torch 2.11.0 itself
//! asks for; to renew the table, resolve `torch==<version>` with
//! `python3 -m pip install --dry-run --ignore-installed --report -` on Linux and copy the hashes.

/// The libtorch version that `tch` in the root `Cargo.toml` binds.
pub(crate) const LIBTORCH_VERSION: &str = "2.11.0";

/// Where the ONNX Runtime library lies below the folder of native libraries.
pub(crate) const ONNXRUNTIME_LIBRARY: &str = "onnxruntime/lib/libonnxruntime.so.1.32.0";

/// One pinned file of the Python package index.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wheel {
    /// The project's name as pip takes it.
    pub(crate) project: &'static str,
    /// The exact version.
    pub(crate) version: &'static str,
    /// `<name>-<version>-<python tag>-<abi tag>-<platform tags>.whl`.
    pub(crate) file_name: &'static str,
    /// Lower-case hexadecimal SHA-256 of the file.
    pub(crate) sha256: &'static str,
    /// Length of the file.
    pub(crate) size_bytes: u64,
}

/// Which entries of a wheel are wanted, and where they go in the component's folder.
#[derive(Debug)]
pub(crate) enum Take {
    /// One entry.
    File { from: &'static str, to: &'static str },
    /// All entries below `from` (which ends in a slash).
    Folder { from: &'static str, to: &'static str },
    /// The shared libraries in any `lib/` below `from`.
    SharedLibraries { from: &'static str, to: &'static str },
    /// The wheel's licence texts, into `licences/<project>/`; a wheel may have none.
    Licences,
}

/// What one component takes from one wheel.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) wheel: &'static Wheel,
    pub(crate) take: &'static [Take],
}

/// A folder of native libraries below `.deps`, made whole or not at all.
#[derive(Debug)]
pub(crate) struct Component {
    /// Recorded in the folder's stamp; tells the CPU set from the CUDA set.
    pub(crate) id: &'static str,
    /// What the user reads.
    pub(crate) title: &'static str,
    /// The folder's name below `.deps`.
    pub(crate) folder: &'static str,
    pub(crate) pieces: &'static [Piece],
    /// Small files that no wheel has: path and text.
    pub(crate) written: &'static [(&'static str, &'static str)],
    /// About how much the folder takes once unpacked.
    pub(crate) unpacked_bytes: u64,
}

const TORCH: Wheel = Wheel {
    project: "torch",
    version: "2.11.0",
    file_name: "torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl",
    sha256: "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
    size_bytes: 530_604_548,
};

const ONNXRUNTIME: Wheel = Wheel {
    project: "onnxruntime",
    version: "1.32.0",
    file_name: "onnxruntime-1.32.0-cp311-cp311-manylinux_2_28_x86_64.whl",
    sha256: "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d",
    size_bytes: 27_773_237,
};

const CUDA_RUNTIME: Wheel = Wheel {
    project: "nvidia-cuda-runtime",
    version: "13.0.96",
    file_name: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
    sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
    size_bytes: 2_243_632,
};

const CUDA_CUPTI: Wheel = Wheel {
    project: "nvidia-cuda-cupti",
    version: "13.0.85",
    file_name: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl",
    sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
    size_bytes: 10_715_597,
};

/// libtorch for the processor. `libtorch_cpu.so` still names the CUDA runtime and CUPTI as needed, so
/// their two small libraries come along; `libtorch.so` would need libtorch_cuda, so a linker script
/// takes its place.
pub(crate) static LIBTORCH_CPU: Component = Component {
    id: "libtorch-2.11.0-cpu",
    title: "libtorch 2.11.0 (CPU)",
    folder: "libtorch",
    pieces: &[
        Piece {
            wheel: &TORCH,
            take: &[
                Take::Folder { from: "torch/include/", to: "include/" },
                Take::File { from: "torch/lib/libtorch_cpu.so", to: "lib/libtorch_cpu.so" },
                Take::File { from: "torch/lib/libc10.so", to: "lib/libc10.so" },
                Take::File { from: "torch/lib/libgomp.so.1", to: "lib/libgomp.so.1" },
                Take::Licences,
            ],
        },
        Piece {
            wheel: &CUDA_RUNTIME,
            take: &[
                Take::File { from: "nvidia/cu13/lib/libcudart.so.13", to: "lib/libcudart.so.13" },
                Take::Licences,
            ],
        },
        Piece {
            wheel: &CUDA_CUPTI,
            take: &[
                Take::File { from: "nvidia/cu13/lib/libcupti.so.13", to: "lib/libcupti.so.13" },
                Take::Licences,
            ],
        },
    ],
    written: &[("lib/libtorch.so", "INPUT(-ltorch_cpu -lc10)\n"), ("build-version", LIBTORCH_VERSION)],
    unpacked_bytes: 510_000_000,
};

/// libtorch with CUDA. Its libraries look for NVIDIA's in `../../nvidia/<name>/lib`, which is where
/// [`CUDA_LIBRARIES`] puts them.
pub(crate) static LIBTORCH_CUDA: Component = Component {
    id: "libtorch-2.11.0-cuda",
    title: "libtorch 2.11.0 (CUDA 13.0)",
    folder: "libtorch",
    pieces: &[Piece {
        wheel: &TORCH,
        take: &[
            Take::Folder { from: "torch/include/", to: "include/" },
            Take::File { from: "torch/lib/libc10.so", to: "lib/libc10.so" },
            Take::File { from: "torch/lib/libc10_cuda.so", to: "lib/libc10_cuda.so" },
            Take::File { from: "torch/lib/libcaffe2_nvrtc.so", to: "lib/libcaffe2_nvrtc.so" },
            Take::File { from: "torch/lib/libgomp.so.1", to: "lib/libgomp.so.1" },
            Take::File { from: "torch/lib/libtorch.so", to: "lib/libtorch.so" },
            Take::File { from: "torch/lib/libtorch_cpu.so", to: "lib/libtorch_cpu.so" },
            Take::File { from: "torch/lib/libtorch_cuda.so", to: "lib/libtorch_cuda.so" },
            Take::File { from: "torch/lib/libtorch_cuda_linalg.so", to: "lib/libtorch_cuda_linalg.so" },
            Take::File { from: "torch/lib/libtorch_global_deps.so", to: "lib/libtorch_global_deps.so" },
            Take::File { from: "torch/lib/libtorch_nvshmem.so", to: "lib/libtorch_nvshmem.so" },
            Take::Licences,
        ],
    }],
    written: &[("build-version", LIBTORCH_VERSION)],
    unpacked_bytes: 1_030_000_000,
};

const NVIDIA: &[Take] = &[Take::SharedLibraries { from: "nvidia/", to: "" }, Take::Licences];

/// NVIDIA's libraries for libtorch with CUDA, in the layout of their wheels.
pub(crate) static CUDA_LIBRARIES: Component = Component {
    id: "cuda-13.0.2",
    title: "CUDA 13.0 libraries",
    folder: "nvidia",
    pieces: &[
        Piece { wheel: &CUDA_RUNTIME, take: NVIDIA },
        Piece { wheel: &CUDA_CUPTI, take: NVIDIA },
        Piece {
            wheel: &Wheel {
                project: "nvidia-cuda-nvrtc",
                version: "13.0.88",
                file_name: "nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
                sha256: "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
                size_bytes: 90_215_200,
            },
            take: NVIDIA,
        },
        Piece {
            wheel: &Wheel {
                project: "nvidia-cublas",
                version: "13.1.0.3",
                file_name: "nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_x86_64.whl",
                sha256: "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171",
                size_bytes: 423_133_236,
            },
            take: NVIDIA,
        },
        Piece {
            wheel: &Wheel {
                project: "nvidia-cufft",
                version: "12.0.0.61",
                file_name: "nvidia_cufft-12.0.0.61-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
                sha256: "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3",
                size_bytes: 214_085_489,
            },
            take: NVIDIA,
        },
        Piece {
            wheel: &Wheel {
                project: "nvidia-cufile",
                version: "1.15.1.6",
                file_name: "nvidia_cufile-1.15.1.6-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
                sha256: "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44",
                size_bytes: 1_223_672,
            },
            take: NVIDIA,
        },
        Piece {
            wheel: &Wheel {
                project: "nvidia-curand",
                version: "10.4.0.35",
                file_name: "nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_x86_64.whl",
                sha256: "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc",
                size_bytes: 59_544_258,
            },
            take: NVIDIA,
        },
        Piece {
            wheel: &Wheel {
                project: "nvidia-cusolver",
                version: "12.0.4.66",
                file_name: "nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_x86_64.whl",
                sha256: "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112",
                size_bytes: 200_941_980,
            },
            take: NVIDIA,
        },
        Piece {
            wheel: &Wheel {
                project: "nvidia-cusparse",
                version: "12.6.3.3",
                file_name: "nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
                sha256: "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b",
                size_bytes: 145_942_937,
            },
            take: NVIDIA,
        },
        Piece {
            wheel: &Wheel {
                project: "nvidia-nvjitlink",
                version: "13.0.88",
                file_name: "nvidia_nvjitlink-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
                sha256: "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b",
                size_bytes: 40_713_933,
            },
            take: NVIDIA,
        },
        Piece {
            wheel: &Wheel {
                project: "nvidia-nvtx",
                version: "13.0.85",
                file_name: "nvidia_nvtx-13.0.85-py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl",
                sha256: "4936d1d6780fbe68db454f5e72a42ff64d1fd6397df9f363ae786930fd5c1cd4",
                size_bytes: 148_047,
            },
            take: NVIDIA,
        },
        Piece {
            wheel: &Wheel {
                project: "nvidia-cudnn-cu13",
                version: "9.19.0.56",
                file_name: "nvidia_cudnn_cu13-9.19.0.56-py3-none-manylinux_2_27_x86_64.whl",
                sha256: "d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf",
                size_bytes: 366_066_321,
            },
            take: NVIDIA,
        },
        Piece {
            wheel: &Wheel {
                project: "nvidia-cusparselt-cu13",
                version: "0.8.0",
                file_name: "nvidia_cusparselt_cu13-0.8.0-py3-none-manylinux2014_x86_64.whl",
                sha256: "25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd",
                size_bytes: 169_884_119,
            },
            take: NVIDIA,
        },
        Piece {
            wheel: &Wheel {
                project: "nvidia-nccl-cu13",
                version: "2.28.9",
                file_name: "nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_x86_64.whl",
                sha256: "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42",
                size_bytes: 196_493_177,
            },
            take: NVIDIA,
        },
        Piece {
            wheel: &Wheel {
                project: "nvidia-nvshmem-cu13",
                version: "3.4.5",
                file_name: "nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
                sha256: "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80",
                size_bytes: 60_412_546,
            },
            take: NVIDIA,
        },
    ],
    written: &[],
    unpacked_bytes: 2_900_000_000,
};

/// ONNX Runtime, for the metrics that need a feature network.
pub(crate) static ONNX_RUNTIME: Component = Component {
    id: "onnxruntime-1.32.0",
    title: "ONNX Runtime 1.32.0",
    folder: "onnxruntime",
    pieces: &[Piece {
        wheel: &ONNXRUNTIME,
        take: &[
            Take::File {
                from: "onnxruntime/capi/libonnxruntime.so.1.32.0",
                to: "lib/libonnxruntime.so.1.32.0",
            },
            Take::File { from: "onnxruntime/LICENSE", to: "licences/LICENSE" },
            Take::File { from: "onnxruntime/ThirdPartyNotices.txt", to: "licences/ThirdPartyNotices.txt" },
        ],
    }],
    written: &[],
    unpacked_bytes: 36_000_000,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wheel_names_its_project_version_and_platform_in_its_file_name() {
        for component in [&LIBTORCH_CPU, &LIBTORCH_CUDA, &CUDA_LIBRARIES, &ONNX_RUNTIME] {
            for Piece { wheel, .. } in component.pieces {
                let stem = format!("{}-{}-", wheel.project.replace('-', "_"), wheel.version);
                assert!(wheel.file_name.starts_with(&stem), "{}", wheel.file_name);
                assert!(wheel.file_name.ends_with("_x86_64.whl"), "{}", wheel.file_name);
                assert_eq!(wheel.sha256.len(), 64, "{}", wheel.file_name);
                assert!(wheel.sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
            }
        }
    }

    #[test]
    fn the_libtorch_version_is_the_one_that_tch_binds() {
        assert_eq!(TORCH.version, LIBTORCH_VERSION);
        assert!(LIBTORCH_CPU.written.contains(&("build-version", LIBTORCH_VERSION)));
        assert!(LIBTORCH_CUDA.written.contains(&("build-version", LIBTORCH_VERSION)));
    }

    #[test]
    fn the_documented_onnx_runtime_path_is_one_that_setup_writes() {
        let written = ONNX_RUNTIME.pieces[0].take.iter().any(|take| {
            matches!(take, Take::File { to, .. } if format!("onnxruntime/{to}") == ONNXRUNTIME_LIBRARY)
        });
        assert!(written);
    }
}
