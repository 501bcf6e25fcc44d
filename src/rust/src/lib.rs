//! The boundary between R and the engine: one module per noun, nothing else here.
use extendr_api::prelude::*;

#[extendr]
fn rs_hello() -> i32 { 1 }

extendr_module! {
    mod rrq;
    fn rs_hello;
}
