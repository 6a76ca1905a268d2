//! What joining says of a vantage that whoever gave its capture may not have meant.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::{Hop, Hops};
use crate::scene::Scene;

/// More vantages are not compared each with each: nobody gave so many files by hand.
const MANY: usize = 256;

/// For each vantage, by its place in the scene, what is odd about it beside the others: it shows what
/// another one shows, or nothing of the time of any other.
#[must_use]
pub fn remarks(scene: &Scene<'_>, hops: &Hops) -> Vec<Vec<String>> {
    let mut remarks = vec![Vec::new(); scene.vantages.len()];
    if remarks.len() > MANY {
        return remarks;
    }
    let joined = joined(scene, hops);
    for (place, remarks) in remarks.iter_mut().enumerate() {
        if let Some(twin) = (0..place).find(|twin| shows_the_same(scene, hops, *twin, place)) {
            remarks.push(format!(
                "shows the same segments as {}, at the same times: is it the same capture?",
                scene.name(twin)
            ));
        } else if !joined.contains(&place) && is_apart(scene, hops, place) {
            remarks.push(
                "shares no time and no connection with any other vantage: it was captured at another \
                 time, or its clock is wrong"
                    .to_owned(),
            );
        }
    }
    remarks
}

/// Vantages that share a hop with one of another source.
fn joined(scene: &Scene<'_>, hops: &Hops) -> HashSet<usize, RandomState> {
    let vantages = |hop: &Hop| -> Vec<usize> {
        let sights = hop.sights.iter();
        sights
            .map(|sight| scene.flows[sight.flow].vantage)
            .collect()
    };
    let shared = hops.hops.iter().map(vantages).filter(|vantages| {
        vantages
            .iter()
            .any(|vantage| !scene.same_clock(*vantage, vantages[0]))
    });
    shared.flatten().collect()
}

/// Two vantages of different sources have as many frames, first and last at the same time by their own
/// clocks, and every connection of one is one of the other.
fn shows_the_same(scene: &Scene<'_>, hops: &Hops, one: usize, other: usize) -> bool {
    let [first, second] = [one, other].map(|place| scene.vantages[place].vantage);
    if scene.same_clock(one, other)
        || first.segments == 0
        || (first.frames, first.segments, first.first, first.last)
            != (second.frames, second.segments, second.first, second.last)
    {
        return false;
    }
    let at = |hop: &Hop, place: usize| {
        let mut sights = hop.sights.iter();
        sights.any(|sight| scene.flows[sight.flow].vantage == place)
    };
    hops.hops.iter().all(|hop| at(hop, one) == at(hop, other))
}

/// Nothing was captured elsewhere while this vantage captured.
fn is_apart(scene: &Scene<'_>, hops: &Hops, place: usize) -> bool {
    let during = |place: usize| {
        let vantage = scene.vantages[place].vantage;
        let common = |at| hops.clocks.common(place, at);
        Some((common(vantage.first?), common(vantage.last?)))
    };
    let Some((first, last)) = during(place) else {
        return false;
    };
    let mut others = (0..scene.vantages.len())
        .filter(|other| !scene.same_clock(*other, place))
        .filter_map(during)
        .peekable();
    others.peek().is_some() && others.all(|(began, ended)| ended < first || last < began)
}
