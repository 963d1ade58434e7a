//! Facial landmarks to oriented crop to aligned square (ProGAN appendix C).
