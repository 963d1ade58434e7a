//! ProGAN generator and discriminator on libtorch.
