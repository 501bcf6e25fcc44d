//! Files transferred through the server.

use std::path::Path;

use extendr_api::prelude::*;
use rrq_core::files::{self, Packed};
use rrq_core::{Error, Queue, private};

use rrq_bridge::RResult;
use rrq_bridge::convert::stop;

#[extendr]
fn rs_files_store(
    mut queue: ExternalPtr<Queue>,
    root: &str,
    names: Vec<String>,
    limit: f64,
) -> RResult<List> {
    let packed = files::store(&mut queue, Path::new(root), &names, limit as u64, &stop())?;
    let (name, md5): (Vec<String>, Vec<String>) =
        packed.into_iter().map(|file| (file.name, file.md5)).unzip();
    Ok(list!(name = name, md5 = md5))
}

#[extendr]
fn rs_files_fetch(
    mut queue: ExternalPtr<Queue>,
    root: &str,
    names: Vec<String>,
    md5: Vec<String>,
) -> RResult<()> {
    let files = names.into_iter().zip(md5).map(|(name, md5)| Packed { name, md5 });
    Ok(files::fetch(&mut queue, Path::new(root), &files.collect::<Vec<_>>(), &stop())?)
}

/// A file that only its owner can access, unless it exists.
#[extendr]
fn rs_create_private_file(path: &str) -> RResult<()> {
    private::create(Path::new(path))
        .map_err(Error::io(format!("cannot create the file '{path}'")))?;
    Ok(())
}

#[extendr]
fn rs_files_check(names: Vec<String>) -> RResult<()> {
    Ok(files::check_names(&names)?)
}

extendr_module! {
    mod files;
    fn rs_files_store;
    fn rs_files_fetch;
    fn rs_files_check;
    fn rs_create_private_file;
}
