//! Start and stop.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{RwLock, watch};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::alerting;
use super::config_history::ConfigHistory;
use super::configuring::kept_text;
use super::destinations::Destinations;
use super::listeners::Listeners;
use super::plugins::Plugins;
use super::recall::{begin_with_inbox, recall_plugins};
use super::reload::FILE;
use super::restart::{self, try_successor};
use super::{Changing, Daemon, watching};
use crate::admin::{self, Access, AuditLog, Token};
use crate::clock;
use crate::config::Config;
use crate::config::watch::Watch;
use crate::delivery::guest::Guests;
use crate::delivery::live::Live;
use crate::delivery::payload::Payload;
use crate::delivery::runtime::Shared;
use crate::http::{self, ServeLimits};
use crate::ingest::{self, Gate};
use crate::plugin::handles::HandleKey;
use crate::plugin::host::{Limits, PluginHost};
use crate::plugin::shelf::Shelf;
use crate::queue::{EventStore, RedbStore, STORE_FILE, StoreOptions};
use crate::telemetry::{self, Exporting};
use crate::tls::Certificate;

/// Changes of files are taken up when nothing more has changed for so long, so that a file that is
/// being copied is not read half.
pub(super) const QUIET: Duration = Duration::from_millis(50);

/// Destinations that are made ready at the same time, each with a trial `configure` in the sandbox.
const READY_AT_ONCE: usize = 16;

/// Where the kept revisions are, in the data directory.
pub(super) const SHELF_DIRECTORY: &str = "revisions";

/// Admin connections at a time.
const ADMIN_CONNECTIONS_MAX: usize = 256;

/// Runs the daemon until it is told to stop. On SIGUSR2 the process goes on as its successor.
pub fn run(config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let wanted = runtime.block_on(async { restart::listen() })?;
    let exporting = start_logging(&config, runtime.handle())?;
    raise_file_limit();
    let listeners = Listeners::open(&config)?;
    let end = runtime.block_on(run_until_stopped(config, &listeners, wanted));
    if let Some(exporting) = exporting {
        exporting.finish();
    }
    let end = end?;
    // Whatever blocks is over: the store is closed.
    drop(runtime);
    match end {
        End::Stopped => Ok(()),
        End::Succeeded => Err(listeners.hand_on()),
    }
}

/// Why the daemon stopped.
enum End {
    /// It was told to.
    Stopped,
    /// Its successor is to take over.
    Succeeded,
}

/// Starts the log, and the traces where they are configured.
fn start_logging(config: &Config, runtime: &Handle) -> anyhow::Result<Option<Exporting>> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SWITCHYARD_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,wasmtime=warn,cranelift=warn"));
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(ansi).with_filter(filter);
    let traces = config
        .telemetry
        .as_ref()
        .map(|telemetry| telemetry::start(telemetry, &config.egress, runtime.clone()))
        .transpose()?;
    let (traces, exporting) = traces.unzip();
    tracing_subscriber::registry().with(traces).with(log).init();
    Ok(exporting)
}

/// Connections are files, and the usual soft limit of 1,024 is far below `connections_max`.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
}

/// The bounds on guests, as the plugin host takes them.
pub(super) fn plugin_limits(config: &Config) -> Limits {
    Limits {
        memory_bytes_max: config.guests.memory_bytes_max,
        call_ms_max: config.guests.call_ms_max,
        output_bytes_max: config.guests.output_bytes_max,
        requests_max: config.guests.requests_max,
        ..Limits::default()
    }
}

async fn run_until_stopped(config: Config, listeners: &Listeners, mut wanted: Signal) -> anyhow::Result<End> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    make_directory(&config.data_directory)?;
    std::fs::create_dir_all(&config.plugin_directory)
        .with_context(|| format!("{} cannot be made", config.plugin_directory.display()))?;
    let certificate = config.ingest_tls.as_ref().map(Certificate::load).transpose().context("listen.tls")?;
    let admin_certificate = config.admin.tls.as_ref().map(Certificate::load).transpose().context("admin.tls")?;
    let config_path = config.path.clone();
    let daemon = start(config).await?;
    let (stop, stopped) = watch::channel(false);
    let (ingest, admin) = listeners.to_async()?;
    let servers = tokio::spawn(serve(
        daemon.clone(),
        (ingest, certificate.clone()),
        (admin, admin_certificate.clone()),
        stopped.clone(),
    ));
    let watching = tokio::spawn(watch_files(daemon.clone(), [certificate, admin_certificate], stopped.clone()));
    let trials = tokio::spawn(watching::run(daemon.clone(), stopped.clone()));
    let alerting = tokio::spawn(alerting::run_if_configured(daemon.clone(), stopped.clone()));
    let sampling = tokio::spawn(super::trends::run(daemon.clone(), stopped.clone()));
    let relaying = tokio::spawn(relay_pulse(daemon.clone(), stopped));
    let end = tokio::select! {
        _ = terminate.recv() => { tracing::info!("SIGTERM: stopping"); End::Stopped }
        _ = interrupt.recv() => { tracing::info!("interrupted: stopping"); End::Stopped }
        succession = succession(&mut wanted, &config_path) => { succession?; End::Succeeded }
    };
    daemon.gate.stop();
    stop.send_replace(true);
    servers.await?;
    watching.await?;
    trials.await?;
    alerting.await?;
    sampling.await?;
    relaying.await?;
    daemon.changing.write().await.destinations.stop_all().await;
    daemon.store.close().await?;
    tracing::info!("stopped");
    Ok(end)
}

/// Returns when a successor is wanted and would start.
async fn succession(wanted: &mut Signal, config_path: &Path) -> anyhow::Result<()> {
    loop {
        wanted.recv().await;
        tracing::info!("SIGUSR2: trying the successor");
        let path = config_path.to_path_buf();
        match tokio::task::spawn_blocking(move || try_successor(&path)).await? {
            Ok(()) => return Ok(()),
            Err(error) => tracing::error!("the restart is refused, and this process goes on: {error:#}"),
        }
    }
}

/// Makes the data directory, for the owner alone: it holds events and the admin token.
fn make_directory(path: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("data.directory: {} cannot be made", path.display()))
}

/// Opens the store, loads the plugins and starts the destinations.
async fn start(config: Config) -> anyhow::Result<Arc<Daemon>> {
    let now = clock::system();
    let options = StoreOptions {
        queue_bytes_max: config.queue.queue_bytes_max,
        disk_reserve_bytes: config.queue.disk_reserve_bytes,
        retention_ms: config.queue.retention_ms,
        retention_bytes: config.queue.retention_bytes,
        dead_retention_ms: config.dead_letters.retention_ms,
        dead_bytes_max: config.dead_letters.bytes_max,
        replan: Payload::replanned,
        deduplication_window_ms: config.deduplication.window_ms,
        deduplication_ids_max: config.deduplication.ids_max,
        ..StoreOptions::default()
    };
    let pulse = options.pulse.clone();
    let store_path = config.data_directory.join(STORE_FILE);
    let store: Arc<dyn EventStore> =
        Arc::new(tokio::task::spawn_blocking(move || RedbStore::open(&store_path, options)).await??);
    let (token, was_made) = Token::read_or_make(&config.data_directory)?;
    if was_made {
        let scheme = if config.admin.tls.is_some() { "https" } else { "http" };
        println!(
            "Sign in at {scheme}://{}/ with this token, which is not shown again:\n{}",
            config.admin_address,
            token.reveal()
        );
    }
    let access = Access::new(token, config.admin.clone());
    let audit = AuditLog::open(&config.data_directory).context("the audit log cannot be opened")?;
    let mut config_history =
        ConfigHistory::open(&config.data_directory).context("the history of the configuration cannot be opened")?;
    let handle_key = HandleKey::read_or_make(&config.data_directory)?;
    let mark_key = handle_key.clone();
    let host = Arc::new(PluginHost::new(plugin_limits(&config), Some(&config.data_directory.join("compiled")))?);
    let guests = Guests::start(config.guests.workers)?;
    let live = Live::new();
    let gate = Arc::new(Gate::new(store.clone(), &config, live.clone(), now.clone()));
    let shelf_directory = config.data_directory.join(SHELF_DIRECTORY);
    let shelf = Arc::new(Shelf::open(host.clone(), &shelf_directory)?);
    let mut plugins = Plugins::new(host.clone(), &config.plugin_directory, &config.plugins);
    recall_plugins(&mut plugins, &store, &shelf).await?;
    begin_with_inbox(&mut plugins, &store, &shelf, now()).await?;
    plugins.note_active(&shelf_directory);
    config_history.mark_all(|text| kept_text(text, &plugins, &handle_key))?;
    match std::fs::read_to_string(&config.path) {
        Ok(text) => {
            let kept = kept_text(&text, &plugins, &handle_key);
            config_history.note(&kept, now(), FILE, "in effect at a start")?;
        }
        Err(error) => tracing::warn!(%error, "the configuration is not kept for its history"),
    }
    let shared = Shared { guests: guests.clone(), now: now.clone(), live: live.clone(), speed: 1 };
    let mut destinations = Destinations::new(shared, host, shelf.clone(), handle_key);
    for record in plugins.records() {
        destinations.replace_settings(record.replaced.keys().cloned(), &record.replaced);
    }
    let known = store.destinations().await?;
    let dead_before = known.into_iter().map(|known| (known.destination, known.counters.dead)).collect();
    start_destinations(&mut destinations, &plugins, &config, &store).await?;
    forget_removed(&config, &store).await?;
    tracing::info!(
        ingest = %config.ingest_address, admin = %config.admin_address,
        pipelines = config.pipelines.len(), destinations = destinations.ids().len(),
        data = %config.data_directory.display(), "ready"
    );
    Ok(Arc::new(Daemon {
        access,
        audit,
        replays: admin::Replays::default(),
        gate,
        store,
        live,
        pulse,
        alert_pulse: tokio::sync::Notify::new(),
        dead_before,
        trend_pulse: tokio::sync::Notify::new(),
        trends: Mutex::default(),
        config_history: Mutex::new(config_history),
        mark_key,
        started_ms: now(),
        now,
        changing: RwLock::new(Changing { config, plugins, destinations }),
        config_changed: tokio::sync::Notify::new(),
        refused: Mutex::new(None),
        shelf,
        shelf_directory,
        guests,
        trials_changed: tokio::sync::Notify::new(),
        backfilling: Arc::default(),
    }))
}

/// Starts all destinations. Some of them are made ready at a time.
async fn start_destinations(
    destinations: &mut Destinations,
    plugins: &Plugins,
    config: &Config,
    store: &Arc<dyn EventStore>,
) -> anyhow::Result<()> {
    let all: Vec<_> = config.destinations().collect();
    let mut started = Vec::with_capacity(all.len());
    for some in all.chunks(READY_AT_ONCE) {
        let ready = some.iter().map(|(_, each)| destinations.ready_or_waiting(each, plugins.get(&each.plugin)));
        let ready = join_all(ready).await;
        for ((pipeline, destination), active) in some.iter().zip(ready) {
            let active = active.with_context(|| format!("{}:{}", config.path.display(), destination.line))?;
            if let Some(trouble) = &active.trouble {
                tracing::warn!(destination = %destination.id, "{trouble}; its events wait for a plugin that works");
            }
            started.push(((*pipeline).clone(), active));
        }
    }
    Ok(destinations.start(store, started, config.drain_grace_ms).await?)
}

/// Passes the pulse on to all who wait for one: alerts and samples.
async fn relay_pulse(daemon: Arc<Daemon>, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = daemon.pulse.notified() => {
                daemon.alert_pulse.notify_one();
                daemon.trend_pulse.notify_one();
            }
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}

/// Destinations that the store knows and the configuration no longer has would hold events for ever.
async fn forget_removed(config: &Config, store: &Arc<dyn EventStore>) -> anyhow::Result<()> {
    for known in store.destinations().await? {
        let id = &known.destination;
        if !config.destinations().any(|(_, each)| each.id == *id) {
            let expired = store.remove(id).await?;
            tracing::warn!(destination = %id, expired, "the destination is no longer configured; what it had not delivered expired");
        }
    }
    Ok(())
}

async fn serve(
    daemon: Arc<Daemon>,
    (ingest, certificate): (TcpListener, Option<Certificate>),
    (admin, admin_certificate): (TcpListener, Option<Certificate>),
    stopped: watch::Receiver<bool>,
) {
    let limits = &daemon.gate.limits;
    let ingest_limits =
        ServeLimits { connections_max: limits.connections_max, head_ms_max: limits.read_timeout_ms, grace_ms: 1_000 };
    let admin_limits = ServeLimits { connections_max: ADMIN_CONNECTIONS_MAX, head_ms_max: 30_000, grace_ms: 200 };
    let own = daemon.clone();
    let ingest_handler = move |request, peer: std::net::SocketAddr| {
        let daemon = own.clone();
        async move {
            let path = hyper::Request::uri(&request).path();
            match admin::health(&daemon, path) {
                Some(response) => response,
                None => ingest::handle(daemon.gate.clone(), request, peer.ip()).await,
            }
        }
    };
    let admin_handler = move |request, peer: std::net::SocketAddr| admin::handle(daemon.clone(), request, peer.ip());
    tokio::join!(
        http::serve(ingest, certificate, ingest_limits, ingest_handler, stopped.clone()),
        http::serve(admin, admin_certificate, admin_limits, admin_handler, stopped),
    );
}

/// Takes up changes of the configuration file, of the plugin directory and of the certificate until
/// the daemon stops.
async fn watch_files(
    daemon: Arc<Daemon>,
    [certificate, admin_certificate]: [Option<Certificate>; 2],
    mut stopped: watch::Receiver<bool>,
) {
    let (config_path, plugin_directory) = {
        let changing = daemon.changing.read().await;
        (changing.config.path.clone(), changing.config.plugin_directory.clone())
    };
    let (config_directory, is_config) = place_of(&config_path);
    let is_plugin = |path: &Path| path.extension().is_some_and(|extension| extension == "wasm");
    tokio::select! {
        () = each_change(config_directory, is_config, || daemon.reload_config(&config_path)) => {}
        () = each_change(plugin_directory, is_plugin, || daemon.reload_plugins()) => {}
        () = super::secrets::watch_secrets(&daemon, &config_path) => {}
        () = watch_certificate(certificate) => {}
        () = watch_certificate(admin_certificate) => {}
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
}

/// The directory of a file, and whether a changed path there may be the file.
pub(super) fn place_of(file: &Path) -> (PathBuf, impl Fn(&Path) -> bool + Send + 'static) {
    let directory = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => Path::new(".").to_path_buf(),
    };
    let wanted = file.file_name().map(ToOwned::to_owned);
    // A mounted directory is replaced as a whole through a link whose name begins with two dots.
    let is_file = move |path: &Path| {
        let name = path.file_name();
        name == wanted.as_deref() || name.is_some_and(|name| name.as_encoded_bytes().starts_with(b".."))
    };
    (directory, is_file)
}

/// Takes up a changed certificate; never returns.
async fn watch_certificate(certificate: Option<Certificate>) {
    let Some(certificate) = certificate else { return std::future::pending().await };
    let look = || async {
        match certificate.reload() {
            Ok(true) => tracing::info!("the changed certificate is in effect"),
            Ok(false) => {}
            Err(error) => tracing::error!("the changed certificate is refused; the one before stays: {error:#}"),
        }
    };
    let [first, second] = [&certificate.files().certificate, &certificate.files().key].map(|file| place_of(file));
    tokio::join!(each_change(first.0, first.1, look), each_change(second.0, second.1, look));
}

/// Calls `look` at once, and after each change of a file in a directory that `concerns` names. Returns only when it cannot be watched.
async fn each_change<F: Future<Output = ()>>(
    directory: PathBuf,
    concerns: impl Fn(&Path) -> bool + Send + 'static,
    look: impl Fn() -> F,
) {
    let mut watch = match Watch::directory(&directory, concerns) {
        Ok(watch) => watch,
        Err(error) => {
            tracing::error!(directory = %directory.display(), %error, "cannot be watched: restart the daemon after a change");
            return std::future::pending().await;
        }
    };
    loop {
        // The first time too: a change between the start and the watch told nobody.
        look().await;
        watch.changed().await;
        while tokio::time::timeout(QUIET, watch.changed()).await.is_ok() {}
    }
}
