//! The contract's types and exports, generated from wit/.

/// The contract. The judging world has all that the plain one has, so both kinds of plugins use it.
#[expect(missing_docs, reason = "generated from wit/, which documents its items")]
pub mod contract {
    wit_bindgen::generate!({
        path: "../../wit/1.0.0",
        world: "indexed-judging-destination",
        pub_export_macro: true,
        export_macro_name: "export_judging",
        runtime_path: "::switchyard_sdk::wit_bindgen::rt",
        default_bindings_module: "::switchyard_sdk::bindings::contract",
    });
}

/// Names the plain world in every plugin: that of a judging plugin is the union of both.
mod plain {
    wit_bindgen::generate!({
        path: "../../wit/1.0.0",
        world: "indexed-destination",
        export_macro_name: "export_plain",
        with: { "switchyard:destination/types@1.0.0": crate::bindings::contract::switchyard::destination::types },
    });
}

pub use contract::switchyard::destination::types;
