//! What [`destination!`](crate::destination) expands to: the exports, on a plugin's types.

use std::cell::OnceCell;

use serde::de::DeserializeOwned;

use crate::bindings::types;
use crate::{Batch, Plan};

/// Reads the settings.
///
/// # Errors
/// Says which setting is wrong and what would be right, as serde does.
pub fn settings<S: DeserializeOwned>(json: &str) -> Result<S, String> {
    serde_json::from_str(json).map_err(|error| format!("settings: {error}"))
}

/// Keeps what `configure` made for the calls that follow.
///
/// # Errors
/// When it was called before.
pub fn keep<S>(cell: &OnceCell<S>, state: S) -> Result<(), String> {
    cell.set(state).map_err(|_| String::from("configure was called twice"))?;
    #[cfg(all(target_arch = "wasm32", feature = "bump-allocator"))]
    crate::allocator::keep();
    Ok(())
}

/// Plans a batch with what `configure` made.
///
/// # Errors
/// When `configure` was not called.
pub fn plan<S>(
    cell: &OnceCell<S>,
    now_ms: u64,
    events: Vec<types::Event>,
    index: Vec<Vec<u8>>,
    plan_batch: impl FnOnce(&S, &Batch, &mut Plan),
) -> Result<types::Plan, String> {
    let state = cell.get().ok_or("configure was not called")?;
    let batch = Batch::new(now_ms, events, index);
    let mut plan = Plan::with_capacity(batch.len());
    plan_batch(state, &batch, &mut plan);
    Ok(plan.finish(batch))
}

/// Makes a plugin of its parts:
///
/// - `settings`: the type that the settings are read into, by serde; where it derives
///   [`Settings`](macro@crate::Settings), its schema goes into the manifest;
/// - `configure` (may be left out): the type that is kept, and the function that makes it of the
///   settings, `fn(Settings) -> Result<State, String>`; without it the settings are kept themselves;
/// - `plan`: `fn(&State, &Batch, &mut Plan)`;
/// - `judge` (may be left out): `fn(&State, now_ms: u64, &Response) -> Judgement`.
#[macro_export]
macro_rules! destination {
    (settings: $settings:ty, plan: $plan:expr $(, judge: $judge:expr)? $(,)?) => {
        $crate::destination! { settings: $settings, configure: $settings = Ok, plan: $plan $(, judge: $judge)? }
    };
    (settings: $settings:ty, configure: $state:ty = $configure:expr, plan: $plan:expr $(,)?) => {
        $crate::__destination! { $settings, $state, $configure, $plan }
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::contract::exports::switchyard::destination::indexed_planner::__export_switchyard_destination_indexed_planner_1_0_0_cabi! {
            SwitchyardPlugin with_types_in $crate::bindings::contract::exports::switchyard::destination::indexed_planner
        }
    };
    (settings: $settings:ty, configure: $state:ty = $configure:expr, plan: $plan:expr, judge: $judge:expr $(,)?) => {
        $crate::__destination! { $settings, $state, $configure, $plan }
        impl $crate::bindings::contract::exports::switchyard::destination::judge::Guest for SwitchyardPlugin {
            fn judge_response(now_ms: u64, response: $crate::judge::Response) -> $crate::judge::Judgement {
                let judge: fn(&$state, u64, &$crate::judge::Response) -> $crate::judge::Judgement = $judge;
                STATE.with(|state| match state.get() {
                    Some(state) => judge(state, now_ms, &response),
                    None => $crate::judge::Judgement::default(),
                })
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::contract::export_judging!(SwitchyardPlugin with_types_in $crate::bindings::contract);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __destination {
    ($settings:ty, $state:ty, $configure:expr, $plan:expr) => {
        /// The plugin, as the contract sees it.
        pub struct SwitchyardPlugin;

        ::std::thread_local! {
            static STATE: ::std::cell::OnceCell<$state> = const { ::std::cell::OnceCell::new() };
        }

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::schema::Undescribed as _;
            const SCHEMA: $crate::schema::Schema = $crate::schema::of_section(<$settings>::SETTINGS_SCHEMA);
            /// The schema of the settings, which `switchyard plugin build` moves into the manifest.
            #[unsafe(link_section = "switchyard:settings")]
            static SECTION: [u8; SCHEMA.len()] = SCHEMA.bytes();
        };

        impl $crate::bindings::contract::exports::switchyard::destination::indexed_planner::Guest for SwitchyardPlugin {
            fn configure(settings_json: ::std::string::String) -> ::std::result::Result<(), ::std::string::String> {
                let settings: $settings = $crate::plugin::settings(&settings_json)?;
                let configure: fn($settings) -> ::std::result::Result<$state, ::std::string::String> = $configure;
                let made = configure(settings)?;
                STATE.with(|state| $crate::plugin::keep(state, made))
            }

            fn plan_batch(
                now_ms: u64,
                events: ::std::vec::Vec<$crate::bindings::types::Event>,
                index: ::std::vec::Vec<::std::vec::Vec<u8>>,
            ) -> ::std::result::Result<$crate::bindings::types::Plan, ::std::string::String> {
                let plan: fn(&$state, &$crate::Batch, &mut $crate::Plan) = $plan;
                STATE.with(|state| $crate::plugin::plan(state, now_ms, events, index, plan))
            }
        }
    };
}
