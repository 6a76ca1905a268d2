//! Names of those between whom the hops of a chain are.

use super::Join;
use crate::hop::{Hop, Hops};
use crate::scene::Scene;
use crate::segment::Endpoint;

/// What may stand between the name of a node and that of one of its interfaces: `gw:eth0`, `lb-up`.
const JOINTS: [char; 4] = [':', '-', '_', '/'];

/// Between names that share none.
const APART: &str = "+";

/// One name more than there are hops. Where two neighbours would be called the same, as proxy and app
/// in one pod, the second is told by its port.
pub(crate) fn of(scene: &Scene<'_>, hops: &Hops, chain: &[usize], joins: &[Join]) -> Vec<String> {
    let chain: Vec<&Hop> = chain.iter().filter_map(|hop| hops.hops.get(*hop)).collect();
    let (Some(first), Some(last)) = (chain.first(), chain.last()) else {
        return Vec::new();
    };
    let at = |vantage: Option<usize>| vantage.map(|vantage| scene.name(vantage));
    let client = at(first.at.client).map(ToOwned::to_owned);
    let mut names = vec![client.unwrap_or_else(|| first.client.address().to_string())];
    for (number, pair) in chain.windows(2).enumerate() {
        let [before, after] = pair else { continue };
        let join = joins.get(number);
        let own = (at(before.at.server), at(after.at.client));
        let joined = join.map_or(&[][..], |join| &join.vantages);
        let mut seen: Vec<&str> = joined.iter().map(|place| scene.name(*place)).collect();
        if seen.is_empty() {
            seen.extend(own.0.into_iter().chain(own.1));
        }
        let one = common(&seen).filter(|name| !name.contains(APART));
        let adjacent = join.is_none_or(|join| join.adjacent);
        let name = match one {
            Some(one) if adjacent || seen.len() > 1 => one,
            _ if adjacent => common(&seen).unwrap_or_else(|| before.server.address().to_string()),
            // There may be hops between that nobody saw.
            _ => {
                let address = |endpoint: Endpoint| endpoint.address().to_string();
                let near = own
                    .0
                    .map_or_else(|| address(before.server), ToOwned::to_owned);
                let far = own
                    .1
                    .map_or_else(|| address(after.client), ToOwned::to_owned);
                format!("{near}...{far}")
            }
        };
        names.push(distinct(name, &names, before.server));
    }
    let server = at(last.at.server).map(ToOwned::to_owned);
    let name = server.unwrap_or_else(|| last.server.to_string());
    names.push(distinct(name, &names, last.server));
    names
}

/// The name that vantages of one node share: `lb` of `lb-down` and `lb-up`. Of those that share none
/// all are named.
fn common(names: &[&str]) -> Option<String> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names.dedup();
    match names.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        [first, .., last] => {
            // In order of the alphabet what the outermost share all share.
            let same = first.chars().zip(last.chars());
            let shared: String = same
                .take_while(|(a, b)| a == b)
                .map(|(same, _)| same)
                .collect();
            let whole = shared
                .rfind(JOINTS)
                .map(|end| &shared[..end])
                .filter(|name| !name.is_empty());
            Some(whole.map_or_else(|| names.join(APART), ToOwned::to_owned))
        }
    }
}

fn distinct(name: String, taken: &[String], server: Endpoint) -> String {
    let same = taken.iter().any(|other| {
        *other == name || common(&[other, &name]).is_some_and(|both| !both.contains(APART))
    });
    if same {
        format!("{name}:{}", server.port())
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::common;

    #[test]
    fn vantages_of_one_node_share_its_name() {
        let cases: [(&[&str], Option<&str>); 7] = [
            (&[], None),
            (&["gw"], Some("gw")),
            (&["gw", "gw"], Some("gw")),
            (&["lb-up", "lb-down"], Some("lb")),
            (&["gw:eth0", "gw:eth1", "gw:lo"], Some("gw")),
            (&["east", "eastern"], Some("east+eastern")),
            (&["-a", "-b"], Some("-a+-b")),
        ];
        for (names, shared) in cases {
            assert_eq!(common(names).as_deref(), shared, "{names:?}");
        }
    }
}
