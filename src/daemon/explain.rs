//! Why a name is answered as it is: sealed, soft or contested, and what is missing.

use super::{
    node::Node,
    report,
    resolve::{locate, source, steps},
};
use crate::{
    control::report::{Explanation, OperationReport},
    governance::{Governance, Proposal, State, operation::Register},
    page::name::{Name, Owner},
};

/// `djdns explain`.
pub fn explain(node: &Node, name: &Name) -> Explanation {
    let view = node.view().load_full();
    let mut page = steps(node, &view, name).pop();
    let Some((governance, owner)) = locate(node, &view, name) else {
        let why = vec!["no page that is held here speaks for this name".to_owned()];
        let status = "none".to_owned();
        let name = name.to_string();
        return Explanation { name, page: None, owner: None, status, why, operations: vec![] };
    };
    let source = source(&governance, &owner);
    let register = Register::Entry(source.clone());
    let on_it: Vec<&Proposal> =
        governance.proposals().filter(|p| p.operation().change.register() == register).collect();
    let states: Vec<State> = on_it.iter().map(|proposal| governance.state(proposal)).collect();
    let operations: Vec<OperationReport> =
        on_it.iter().map(|proposal| report::operation(&governance, proposal)).collect();
    let status = status(&governance, &source, &states);
    if let Some(step) = &mut page {
        step.operation = governance.chain(&register).last().map(ToString::to_string);
    }
    Explanation {
        name: name.to_string(),
        page,
        owner: Some(source.to_string()),
        status: status.to_owned(),
        why: why(&governance, &owner, &source, status, &operations),
        operations,
    }
}

fn status(page: &Governance, owner: &Owner, states: &[State]) -> &'static str {
    let is_contested = states.iter().any(|state| matches!(state, State::Outvoted(_)));
    let (sets, is_soft) = page.ratified(owner);
    match (is_contested, is_soft, sets.is_empty()) {
        (true, ..) => "contested",
        (_, true, _) => "soft",
        (_, _, false) => "sealed",
        _ => "none",
    }
}

fn why(
    page: &Governance,
    owner: &Owner,
    source: &Owner,
    status: &str,
    operations: &[OperationReport],
) -> Vec<String> {
    let name = page.page().name();
    let mut why = Vec::new();
    if source != owner {
        why.push(format!("the wildcard `{source}` of {name} answers for it"));
    }
    why.push(match status {
        "sealed" => {
            format!("{name} holds the entry `{source}` since its founding, at height 0")
        }
        "soft" => format!(
            "the entry `{source}` of {name} is ratified by ballots and not sealed yet: it may \
             still be displaced, and is cached for at most {} s",
            page.page().parameters().soft_ttl_max
        ),
        "contested" => format!(
            "several changes of the entry `{source}` of {name} have enough ballots; the one with \
             more approving power is served"
        ),
        _ => format!("{name} has no entry `{source}`"),
    });
    why.extend(operations.iter().map(|operation| {
        format!(
            "{} ({}): {}: {}",
            &operation.id[..8],
            operation.change,
            operation.state,
            operation.reason
        )
    }));
    why
}
