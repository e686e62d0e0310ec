//! `--compare`: what it says of a Rust service with a defect, and of one without.

use civic_auth::Secret;

use crate::compare::{Caller, Read, Target, Values, compare, roll_reads, variants};
use crate::defective::{DEFECTS, Defective};
use crate::findings::Findings;
use crate::stage::Stage;

pub(super) async fn play(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let secret = Secret::new(stage.secret()).map_err(|error| error.to_string())?;
    let caller = Caller::service(secret.clone());
    let company = stage.company().await?;
    let node = Target::at(company.node.platform()?);
    let reads = variants(&roll_reads());
    let sound = Defective::serve(secret.clone(), None).await?;

    for (name, rust) in [
        ("the example fleet", Target::at(company.rust.address)),
        ("a service without a defect", Target::at(sound.address)),
    ] {
        findings.no_differences(
            &format!("No read is answered differently by the Node service and by {name}"),
            &format!("{} reads", reads.len()),
            &differences(&node, &rust, &reads, &caller).await?,
        );
    }

    let mut unseen = Vec::new();
    for defect in &DEFECTS {
        let service = Defective::serve(secret.clone(), Some(defect)).await?;
        if !is_found(&node, &Target::at(service.address), &reads, &caller).await? {
            unseen.push(defect.name.to_owned());
        }
    }
    findings.no_differences(
        "Each defect that is seeded into a Rust service is found",
        &format!("{} defects", DEFECTS.len()),
        &unseen,
    );
    Ok(())
}

/// Every difference between two services.
async fn differences(
    node: &Target,
    rust: &Target,
    reads: &[Read],
    caller: &Caller,
) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for read in reads {
        let found = compare(node, rust, read, caller, Values::Shown).await?;
        let differences = found.differences.iter();
        all.extend(differences.map(|difference| format!("{read}: {difference}")));
    }
    Ok(all)
}

/// Whether there is a difference between two services.
async fn is_found(
    node: &Target,
    rust: &Target,
    reads: &[Read],
    caller: &Caller,
) -> Result<bool, String> {
    for read in reads {
        let found = compare(node, rust, read, caller, Values::Described).await?;
        if !found.differences.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service without a defect stands for the Node service, so that this needs no Node.
    #[tokio::test]
    async fn each_seeded_defect_is_found_and_a_service_without_one_is_not_accused() {
        let secret = Secret::new("0123456789abcdef0123456789abcdef").expect("long enough");
        let caller = Caller::service(secret.clone());
        let reads = variants(&roll_reads());
        let serve = async |defect| {
            Defective::serve(secret.clone(), defect)
                .await
                .expect("it listens")
        };
        let (first, second) = (serve(None).await, serve(None).await);
        let node = Target::at(first.address);
        let rust = Target::at(second.address);
        let found = differences(&node, &rust, &reads, &caller).await;
        assert_eq!(found, Ok(Vec::new()));

        assert!(DEFECTS.len() >= 30);
        let mut unseen = Vec::new();
        for defect in &DEFECTS {
            let service = serve(Some(defect)).await;
            let rust = Target::at(service.address);
            if is_found(&node, &rust, &reads, &caller).await != Ok(true) {
                unseen.push(defect.name);
            }
        }
        assert_eq!(unseen, [""; 0]);
    }
}
