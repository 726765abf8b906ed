//! What a guest says to its author: the one import that there is, `console.log` and `print` of the
//! guests that have them. Bounded, and nothing of it reaches a plan.

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use super::check::cut;
use super::engine::Bounds;

/// The interface that is linked; see wit/log.
pub const INTERFACE: &str = "switchyard:log/log@1.0.0";

/// Where it is specified.
pub const FOLDER: &str = "wit/log/1.0.0";

/// Bytes that are kept of one call. 64 KiB: some thousand lines, more than anybody reads.
pub const BYTES_MAX: usize = 64 << 10;

/// What stands where something was dropped.
const CUT: &str = "\n(what follows was dropped)\n";

/// What a guest has said since it was last asked.
#[derive(Default)]
pub struct Log {
    text: String,
    is_cut: bool,
}

impl Log {
    fn write(&mut self, text: &str) {
        if self.is_cut {
            return;
        }
        self.text.push_str(text);
        if self.text.len() > BYTES_MAX {
            cut(&mut self.text, BYTES_MAX);
            self.text.push_str(CUT);
            self.is_cut = true;
        }
    }

    /// All of it; the log is empty then.
    pub fn take(&mut self) -> String {
        std::mem::take(self).text
    }
}

/// Gives guests the interface, and nothing else.
pub(super) fn link(linker: &mut Linker<Bounds>) -> wasmtime::Result<()> {
    let write = |mut store: StoreContextMut<'_, Bounds>, (text,): (String,)| {
        store.data_mut().log.write(&text);
        Ok(())
    };
    linker.instance(INTERFACE)?.func_wrap("write", write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_kept_up_to_the_bound() {
        let mut log = Log::default();
        log.write(&"x".repeat(BYTES_MAX));
        assert_eq!(log.take().len(), BYTES_MAX);
        log.write(&"x".repeat(BYTES_MAX + 1));
        log.write("more");
        assert_eq!(log.take().len(), BYTES_MAX + CUT.len());
        assert_eq!(log.take(), "");
    }
}
