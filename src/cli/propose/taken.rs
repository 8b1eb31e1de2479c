//! `propose P --from-request ID`: a petition that a participant takes up (G13).

use super::{Desk, entry};
use crate::{
    cli::{
        context::Context,
        fault::{Fault, Outcome},
        request, signing,
    },
    control::report::OperationReport,
};

/// Proposes exactly what the petition asks for, on top of what stands there now.
///
/// # Errors
/// That there is no such petition, that it is decided, asks another page, or what the node says.
pub fn propose(context: &mut Context, desk: Desk, prefix: &str) -> Outcome<OperationReport> {
    let (report, petition) = request::find(context, prefix)?;
    let draft = signing::draft(context, &desk.page, &desk.key.public(), Vec::new(), 0)?;
    if petition.page() != draft.page {
        return Err(Fault::refused(format!(
            "the petition {} asks the page {}, not {}",
            report.id, report.page, draft.name
        )));
    }
    // The node says so as well, once a slot and a ballot were drafted for nothing.
    if report.state != "waiting" {
        return Err(Fault::refused(format!("the petition is {} already", report.state)));
    }
    let desk = Desk { petition: Some(petition.id()), ..desk };
    let asking = petition.asking();
    if let Some(subpage) = entry::linked(&asking.sets) {
        desk.subpage(context, &asking.owner, &subpage.to_string())?;
    }
    desk.change_entry(context, asking.owner.clone(), |sets: &mut entry::Sets| {
        sets.clone_from(&asking.sets);
        Ok(())
    })
}
