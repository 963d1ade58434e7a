//! SWD, MS-SSIM and other generator metrics as pure functions.
