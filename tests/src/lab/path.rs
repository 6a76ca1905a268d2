//! What happens to packets on their way: redirected, dropped, refused, forgotten.

use anyhow::Result;

use super::rig::Lab;

/// The mark in the trace when a path dies.
pub(super) const SEVERED: &str = "hopscope: path severed";
/// The mark in the trace when it lives again.
pub(super) const HEALED: &str = "hopscope: path healed";

impl Lab {
    /// Redirects a port of the last namespace to the sidecar, for what arrives from outside.
    ///
    /// # Errors
    /// When nftables refuses.
    pub fn redirect(&mut self, node: &str, wire: u16, sidecar: u16) -> Result<()> {
        let family = self.net.nft_family();
        let rules = format!(
            "table {family} lab {{ chain in {{ type nat hook prerouting priority dstnat; \
             iifname \"eth0\" tcp dport {wire} redirect to :{sidecar}; }}; }}"
        );
        self.net.exec(node, &["nft", &rules])?;
        self.redirect = Some((wire, sidecar));
        Ok(())
    }

    /// Lets a router end all connections through it from now on, in the way of `verdict`: `drop`,
    /// without a word to anybody, or `reject with tcp reset`, in the other side's name.
    ///
    /// # Errors
    /// When nftables refuses.
    pub fn sever(&mut self, router: &str, verdict: &str) -> Result<()> {
        let family = self.net.nft_family();
        let rules = format!(
            "table {family} lab {{ chain pass {{ type filter hook forward priority 0; \
             meta l4proto tcp {verdict}; }}; }}"
        );
        self.net.exec(router, &["nft", &rules])?;
        self.severed = Some(self.net.index(router)?);
        self.trace.mark(SEVERED)
    }

    /// Lets what a router has dropped so far pass again.
    ///
    /// # Errors
    /// When nftables refuses.
    pub fn heal(&mut self, router: &str) -> Result<()> {
        let table = format!("delete table {} lab", self.net.nft_family());
        self.net.exec(router, &["nft", &table])?;
        self.trace.mark(HEALED)
    }

    /// Lets a router forget a connection that was silent for so many seconds, and treat what comes
    /// for it then in the way of `verdict`, as L4 load balancers and firewalls do.
    ///
    /// # Errors
    /// When nftables refuses.
    pub fn forgetful(&mut self, router: &str, seconds: u32, verdict: &str) -> Result<()> {
        let family = self.net.nft_family();
        let rules = format!(
            "table {family} state {{ chain pass {{ type filter hook forward priority 0; \
             ct state invalid meta l4proto tcp {verdict}; }}; }}"
        );
        self.net.exec(router, &["nft", &rules])?;
        // Without `loose` a segment without SYN makes no new entry (nf_conntrack_proto_tcp.c).
        self.net
            .sysctl(router, "net.netfilter.nf_conntrack_tcp_loose=0")?;
        let timeout = format!("net.netfilter.nf_conntrack_tcp_timeout_established={seconds}");
        self.net.sysctl(router, &timeout)
    }
}
