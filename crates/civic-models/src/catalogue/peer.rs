//! What is checked of Node's ticks.

use super::entry::{Entry, Extent, mutations};
use crate::check::Subject;
use crate::faults::{Budget, Fault};
use crate::peer::{BOTH, LOST, Scope};
use crate::rules::Rule;

fn beside_node(replicas: u8, faults: u8) -> Scope {
    Scope {
        name: "Node runs some of the ticks",
        ticks: &[6, 12],
        replicas,
        node_work: (2, 4),
        node_ttl: 5,
        operator: None,
        horizon: 20,
        budget: Budget::new(faults, &[(Fault::Crash, 1)]),
    }
}

fn overrun(replicas: u8) -> Scope {
    Scope {
        name: "Node overruns",
        node_work: (2, 9),
        node_ttl: 10,
        ..beside_node(replicas, 1)
    }
}

fn operator(replicas: u8) -> Scope {
    Scope {
        name: "an operator holds the plain lock",
        operator: Some((11, 3)),
        ..beside_node(replicas, 0)
    }
}

pub(super) fn entry(extent: Extent) -> Entry {
    let replicas = match extent {
        Extent::Quick => 1,
        Extent::Whole => 2,
    };
    let scopes: Vec<Box<dyn Subject>> = vec![
        Box::new(beside_node(2, 1)),
        Box::new(overrun(replicas)),
        Box::new(operator(replicas)),
    ];
    let rows = [
        (Rule::PeerRunsCount, beside_node(1, 1), BOTH),
        (Rule::MinimumHold, beside_node(1, 1), BOTH),
        (Rule::OverrunsDoNotCount, overrun(1), LOST),
        (Rule::OwnFormIsNoPeer, operator(1), LOST),
        (Rule::PeerRunsOutlastTheClocks, beside_node(1, 1), BOTH),
    ];
    Entry {
        name: "Node's ticks",
        scopes,
        mutations: mutations(&rows).collect(),
    }
}
