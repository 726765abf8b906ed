//! A disk that turns read-only: nothing is answered with 200 that is not durable, the state is clear, and
//! when the cause is gone a start finds everything that was accepted.
//!
//! With root's rights on Linux it is a file system of its own on a loop device, which turns read-only under
//! the running daemon, as a broken disk's does. Without them only the start with a data directory that
//! cannot be written is tested here; the store's tests have a simulated disk that refuses writes with
//! EROFS, ENOSPC and EIO.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use switchyard_tests::daemon::Daemon;
use switchyard_tests::expect::{SOON, all_arrived, eventually, message_ids};
use switchyard_tests::http::Request;
use switchyard_tests::setup::{Destination, Setup};
use switchyard_tests::shop;
use switchyard_tests::stand_in::{Answer, StandIn};

/// Room for a store, its journal and compiled plugins.
const DISK_BYTES: u64 = 256 << 20;

/// A file system in a file, mounted while this lives.
struct LoopDisk {
    _image: tempfile::NamedTempFile,
    device: String,
    at: PathBuf,
}

impl LoopDisk {
    /// None where the system does not let us.
    fn mount(at: &Path) -> Option<LoopDisk> {
        let image = tempfile::NamedTempFile::new().ok()?;
        image.as_file().set_len(DISK_BYTES).ok()?;
        let path = image.path().display().to_string();
        run("mkfs.ext4", &["-q", "-F", &path])?;
        let device = run("losetup", &["-f", "--show", &path])?;
        let disk = LoopDisk { _image: image, device, at: at.to_path_buf() };
        disk.mount_again()?;
        Path::new(&disk.trigger()).exists().then_some(disk)
    }

    fn mount_again(&self) -> Option<String> {
        run("mount", &["-t", "ext4", "-o", "errors=remount-ro", &self.device, &self.at.display().to_string()])
    }

    fn unmount(&self) -> Option<String> {
        run("umount", &[&self.at.display().to_string()])
    }

    fn trigger(&self) -> String {
        format!("/sys/fs/ext4/{}/trigger_fs_error", self.device.trim_start_matches("/dev/"))
    }

    /// Lets it find an error: from now on it is read-only, also for who has files open.
    fn fail(&self) {
        std::fs::write(self.trigger(), "1").expect("an error can be planted");
    }

    /// What an operator does once the disk works again.
    fn repair(&self) {
        self.unmount().expect("nobody uses it");
        // It answers 1 when it mended something.
        let _ = run("e2fsck", &["-p", "-f", &self.device]);
        self.mount_again().expect("it is whole again");
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        let _ = run("umount", &["-l", &self.at.display().to_string()]);
        let _ = run("losetup", &["-d", &self.device]);
    }
}

/// What a program prints, when it is there and succeeds.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn events(name: &str) -> Vec<Value> {
    (0..20).map(|at| shop::padded(&format!("{name}-{at}"), 600)).collect()
}

/// It does not start, and says why.
fn assert_refuses_to_start(daemon: &mut Daemon, cause: &str) {
    daemon.spawn();
    let mut ended = None;
    eventually("it ends", SOON, || {
        ended = daemon.exited();
        ended.is_some()
    });
    assert!(ended.is_some_and(|status| !status.success()), "{ended:?}");
    let log = daemon.log();
    assert!(log.contains(cause) && log.contains("store.redb"), "{log}");
}

#[test]
fn a_disk_that_turns_read_only() {
    let vendors = StandIn::start();
    vendors.program(u64::MAX, Answer::status(503), |_| true);
    let setup = Setup::shop([Destination::webhook("webhook", &vendors.url())]);
    let mut daemon = Daemon::prepare(setup.section("[queue]\ndisk_reserve_bytes = 0\n"));
    std::fs::create_dir(daemon.data()).expect("a directory for the data");
    let Some(disk) = LoopDisk::mount(&daemon.data()) else {
        println!("no file system can be mounted here: only a start without the right to write is tested");
        return without_the_right_to_write(daemon, &vendors);
    };
    daemon.restart();
    let before = events("before");
    daemon.accept(&before);
    disk.fail();
    for name in ["during", "later"] {
        let refused = daemon.post("/v1/batch", &json!({"batch": events(name)}));
        assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("store_failed")), "{}", refused.text());
    }
    let ready = Request::get(daemon.url("/readyz")).answer();
    assert_eq!(ready.status, 503, "{}", ready.text());
    let status = daemon.cli_output(&["status"]).all();
    assert!(status.contains("THE STORE FAILED"), "{status}");
    assert!(daemon.exited().is_none(), "it stays, to be looked at");
    daemon.kill();
    assert_refuses_to_start(&mut daemon, "Read-only file system");
    disk.repair();
    works_again(daemon, &vendors, &before);
    drop(disk);
}

/// A start once the cause is gone: what was accepted is delivered, and more is taken.
fn works_again(mut daemon: Daemon, vendors: &StandIn, before: &[Value]) {
    vendors.heal();
    daemon.restart();
    let after = events("after");
    daemon.accept(&after);
    let all: Vec<String> = [message_ids(before), message_ids(&after)].concat();
    vendors.wait_until("all that was accepted", SOON * 2, |requests| all_arrived(requests, &all));
    eventually("all is counted", SOON, || daemon.counter("shop/webhook", "delivered") == all.len() as u64);
    daemon.end();
}

fn without_the_right_to_write(mut daemon: Daemon, vendors: &StandIn) {
    daemon.restart();
    let before = events("before");
    daemon.accept(&before);
    daemon.kill();
    let store = daemon.data().join("store.redb");
    let allow = |mode: u32| {
        std::fs::set_permissions(&store, std::fs::Permissions::from_mode(mode)).expect("the file is ours");
    };
    allow(0o400);
    // Nothing is forbidden to root.
    if std::fs::File::options().write(true).open(&store).is_err() {
        assert_refuses_to_start(&mut daemon, "Permission denied");
    }
    allow(0o600);
    works_again(daemon, vendors, &before);
}
