//! Builds guests: a core module in text form whose memory holds the answer, laid out by hand.

use serde_json::{Value, json};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::plugin::build::with_manifest;
use crate::plugin::contract;
use crate::plugin::host::PluginHost;
use crate::plugin::manifest::Manifest;
use crate::plugin::revision::Revision;

/// Where an answer stands in a guest's memory.
const BASE: u32 = 4096;

/// A guest's memory from [`BASE`] on, in the layout of the canonical ABI.
#[derive(Default)]
pub struct Memory {
    bytes: Vec<u8>,
}

/// Pointer and length of a list or a text.
pub type List = (u32, u32);

/// A request, in guest memory.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a str,
    pub url: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub covers: &'a [u32],
    pub quota: Option<&'a str>,
    pub not_after_ms: Option<u64>,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Request {
            method: "POST",
            url: "https://vendor.example/in",
            headers: &[],
            covers: &[0],
            quota: None,
            not_after_ms: None,
        }
    }
}

impl Memory {
    /// Puts bytes in, aligned for everything, and returns where they are.
    pub fn put(&mut self, bytes: &[u8]) -> u32 {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = BASE + self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        at
    }

    pub fn text(&mut self, text: &str) -> List {
        (self.put(text.as_bytes()), text.len() as u32)
    }

    pub fn requests(&mut self, requests: &[Request<'_>]) -> List {
        let mut list = Vec::new();
        for request in requests {
            let mut headers = Vec::new();
            for (name, value) in request.headers {
                headers.extend([self.text(name), self.text(value)]);
            }
            let covers: Vec<u8> = request.covers.iter().flat_map(|cover| cover.to_le_bytes()).collect();
            let fields = [
                self.text("key"),
                self.text(request.method),
                self.text(request.url),
                (self.lists(&headers), request.headers.len() as u32),
                self.text("{}"),
                (0, 0),
                (self.put(&covers), request.covers.len() as u32),
            ];
            for (pointer, length) in fields {
                list.extend_from_slice(&pointer.to_le_bytes());
                list.extend_from_slice(&length.to_le_bytes());
            }
            // No lanes.
            list.extend_from_slice(&[0; 8]);
            let (quota, quota_bytes) = request.quota.map_or((0, 0), |quota| self.text(quota));
            list.extend([u32::from(request.quota.is_some()), quota, quota_bytes, 0].map(u32::to_le_bytes).concat());
            let is_bounded = u64::from(request.not_after_ms.is_some());
            list.extend([is_bounded, request.not_after_ms.unwrap_or_default()].map(u64::to_le_bytes).concat());
            // No tag.
            list.extend_from_slice(&[0; 8]);
        }
        (self.put(&list), requests.len() as u32)
    }

    /// Fates: position, 0 for skip, 1 for reject, and the reason.
    pub fn fates(&mut self, fates: &[(u32, u8, List)]) -> List {
        let mut list = Vec::new();
        for (event, case, (pointer, length)) in fates {
            list.extend_from_slice(&event.to_le_bytes());
            list.extend_from_slice(&[0; 4]);
            list.extend_from_slice(&[*case, 0, 0, 0, 0, 0, 0, 0]);
            list.extend_from_slice(&pointer.to_le_bytes());
            list.extend_from_slice(&length.to_le_bytes());
        }
        (self.put(&list), fates.len() as u32)
    }

    fn lists(&mut self, lists: &[List]) -> u32 {
        let bytes: Vec<u8> =
            lists.iter().flat_map(|(at, len)| [at.to_le_bytes(), len.to_le_bytes()]).flatten().collect();
        self.put(&bytes)
    }

    /// The answer `ok(plan)`, and code that returns it.
    pub fn plan(mut self, requests: List, fates: List) -> Guest {
        let mut answer = vec![0; 4];
        for (pointer, length) in [requests, fates] {
            answer.extend_from_slice(&pointer.to_le_bytes());
            answer.extend_from_slice(&length.to_le_bytes());
        }
        let at = self.put(&answer);
        Guest { memory: self, plan: format!("i32.const {at}"), ..Guest::default() }
    }

    /// A judgement: verdicts as position and case (0 delivered, 5 auth-expired), follow-ups, and when
    /// to go on. Returns its address.
    pub fn judgement(&mut self, verdicts: &[(u32, u8)], follow_ups: &[Request<'_>], slow_until_ms: u64) -> u32 {
        let mut list = Vec::new();
        for (event, case) in verdicts {
            let mut words = [0u8; 32];
            words[..4].copy_from_slice(&event.to_le_bytes());
            words[8] = *case;
            list.extend_from_slice(&words);
        }
        let requests = self.requests(follow_ups);
        let mut answer = [(self.put(&list), verdicts.len() as u32), requests]
            .iter()
            .flat_map(|(pointer, length)| [pointer.to_le_bytes(), length.to_le_bytes()].concat())
            .collect::<Vec<u8>>();
        answer.extend_from_slice(&1u64.to_le_bytes());
        answer.extend_from_slice(&slow_until_ms.to_le_bytes());
        // Nothing for the quota, no pause, no split.
        answer.extend_from_slice(&[0; 32]);
        self.put(&answer)
    }

    /// The answer `err(message)`.
    pub fn refusal(&mut self, message: &str) -> u32 {
        let (pointer, length) = self.text(message);
        let words = [1, pointer, length].map(u32::to_le_bytes).concat();
        self.put(&words)
    }
}

/// A guest: its memory and the code of its functions, in text form.
pub struct Guest {
    pub memory: Memory,
    /// `configure`; by default it takes all settings.
    pub configure: String,
    /// `plan-batch`: leaves the answer's address.
    pub plan: String,
    /// `judge-response`, when it has one: leaves the answer's address.
    pub judge: Option<String>,
    /// Whether it exports the indexed planner.
    pub indexed: bool,
    /// More functions and imports.
    pub more: String,
}

impl Default for Guest {
    fn default() -> Guest {
        let zeros = BASE - 64;
        Guest {
            memory: Memory::default(),
            configure: format!("i32.const {zeros}"),
            plan: "unreachable".to_string(),
            judge: None,
            indexed: false,
            more: String::new(),
        }
    }
}

impl Guest {
    /// A guest whose `plan-batch` runs this code.
    pub fn planning(plan: &str) -> Guest {
        Guest { plan: plan.to_string(), ..Guest::default() }
    }

    /// One that gives every event of a batch of `events` the same fate, in one request less.
    pub fn honest(events: u32) -> Guest {
        let mut memory = Memory::default();
        let requests = memory.requests(&[Request::default()]);
        let reason = memory.text("not meant for them");
        let fates: Vec<_> = (1..events).map(|event| (event, 0, reason)).collect();
        let fates = memory.fates(&fates);
        memory.plan(requests, fates)
    }

    /// The core module, with the world's metadata embedded.
    pub fn core_module(&self) -> Vec<u8> {
        let mut module = wat::parse_str(self.text()).expect("the text is a module");
        let mut resolve = Resolve::default();
        let wit = include_str!("../../../../wit/1.0.0/destination.wit");
        let package = resolve.push_str("destination.wit", wit).expect("the contract");
        let world = match (self.indexed, &self.judge) {
            (false, None) => "destination",
            (false, Some(_)) => "judging-destination",
            (true, None) => "indexed-destination",
            (true, Some(_)) => "indexed-judging-destination",
        };
        let world = resolve.select_world(&[package], Some(world)).expect("a world");
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).expect("metadata");
        module
    }

    fn text(&self) -> String {
        let data: String = self.memory.bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let (planner, index) = if self.indexed {
            ("indexed-planner", "(param $index i32) (param $index_len i32)")
        } else {
            ("planner", "")
        };
        let judge = self.judge.as_ref().map_or(String::new(), |code| {
            format!(
                r#"(func (export "switchyard:destination/judge@1.0.0#judge-response")
                    (param $now i64) (param $tag i32) (param $tag_len i32) (param $covers i32) (param $covers_len i32)
                    (param $status i32) (param $headers i32) (param $headers_len i32) (param $body i32) (param $body_len i32)
                    (result i32) {code})"#
            )
        });
        format!(
            r#"(module
                {more}
                (memory (export "memory") 16)
                (global $top (mut i32) (i32.const 524288))
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
                    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
                    (global.set $top (i32.add (local.get $at) (local.get 3)))
                    (local.get $at))
                (func (export "switchyard:destination/{planner}@1.0.0#configure") (param i32 i32) (result i32)
                    {configure})
                (func $plan (export "switchyard:destination/{planner}@1.0.0#plan-batch")
                    (param $now i64) (param $events i32) (param $events_len i32) {index} (result i32)
                    {plan})
                {judge}
                (data (i32.const {BASE}) "{data}"))"#,
            more = self.more,
            configure = self.configure,
            plan = self.plan,
        )
    }

    /// The plugin's file.
    pub fn file(&self) -> Vec<u8> {
        with_manifest(&self.core_module(), &manifest()).expect("a plugin")
    }

    /// The plugin, loaded.
    pub fn load(&self, host: &PluginHost) -> Revision {
        host.load(&self.file()).expect("the plugin loads")
    }
}

/// The manifest of all guests here, with one secret setting.
pub fn manifest() -> Manifest {
    manifest_with(json!({}))
}

/// The same with other members.
pub fn manifest_with(members: Value) -> Manifest {
    let mut manifest = json!({
        "id": "guest", "version": "1.0.0", "contract": contract::CURRENT, "name": "Guest",
        "kinds": ["track"], "hosts": ["vendor.example"],
        "settings": {
            "type": "object",
            "properties": {
                "token": {"type": "string", "secret": true, "minLength": 4, "description": "The token"},
                "level": {"type": "integer", "default": 3},
            },
            "required": [],
            "additionalProperties": false,
        },
    });
    for (name, value) in members.as_object().expect("an object") {
        manifest[name] = value.clone();
    }
    serde_json::from_value(manifest).expect("a manifest")
}
