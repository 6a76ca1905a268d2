//! Records that the kernel probe and user space share. The probe itself comes with `hopscope watch`;
//! this crate holds its place in the workspace.
#![no_std]
