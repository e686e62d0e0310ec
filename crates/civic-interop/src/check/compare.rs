//! `--compare`: what it says of a Rust service with a defect, and of one without.

use std::net::SocketAddr;

use civic_auth::Secret;
use tokio::process::Command;

use crate::compare::{Caller, Read, Target, Values, compare, roll_reads, variants};
use crate::defective::{Defect, Defective};
use crate::findings::Findings;
use crate::process;
use crate::stage::Stage;

/// A route for which a role is needed. The example fleet's roll has none.
const FOR_A_ROLE: &str = "/for-treasurers";

pub(super) async fn play(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let of_platform = stage.secret().to_owned();
    let secret = Secret::new(&of_platform).map_err(|error| error.to_string())?;
    let caller = Caller::service(secret.clone())?;
    let company = stage.company().await?;
    let (node, fleet) = (company.node.platform()?, company.rust.address);
    let sound = Defective::serve(secret.clone(), None).await?;

    for (name, rust, reads) in [
        ("the example fleet", fleet, variants(&roll_reads())),
        ("a service without a defect", sound.address, reads()),
    ] {
        findings.no_differences(
            &format!("No read is answered differently by the Node service and by {name}"),
            &format!("{} reads", reads.len()),
            &differences(node, rust, &reads, &caller).await?,
        );
    }

    let defects = Defect::all();
    let reads = reads();
    let mut unseen = Vec::new();
    for defect in &defects {
        let service = Defective::serve(secret.clone(), Some(*defect)).await?;
        if !is_found(node, service.address, &reads, &caller).await? {
            unseen.push(defect.name().to_owned());
        }
    }
    findings.no_differences(
        "Each defect that is seeded into a Rust service is found",
        &format!("{} defects", defects.len()),
        &unseen,
    );

    let spoiled = Defective::serve(secret, defects.first().copied()).await?;
    let same = exit_code(node, fleet, &of_platform).await?;
    let another = exit_code(node, spoiled.address, &of_platform).await?;
    findings.promise(
        "The command exits with 0 if there is no difference, and else with 1",
        (same, another) == (Some(0), Some(1)),
        format!("the example fleet: {same:?}, a service with a defect: {another:?}"),
    );
    Ok(())
}

/// The reads of the roll, and one for which a role is needed, each as several callers send it.
fn reads() -> Vec<Read> {
    let mut reads = roll_reads();
    reads.push(Read::of_roll(FOR_A_ROLE));
    variants(&reads)
}

/// Every difference between two services.
async fn differences(
    node: SocketAddr,
    rust: SocketAddr,
    reads: &[Read],
    caller: &Caller,
) -> Result<Vec<String>, String> {
    let (node, rust) = (Target::at(node), Target::at(rust));
    let mut all = Vec::new();
    for read in reads {
        let found = compare(&node, &rust, read, caller, Values::Shown).await?;
        let differences = found.differences.iter();
        all.extend(differences.map(|difference| format!("{read}: {difference}")));
    }
    Ok(all)
}

/// Whether there is a difference between two services.
async fn is_found(
    node: SocketAddr,
    rust: SocketAddr,
    reads: &[Read],
    caller: &Caller,
) -> Result<bool, String> {
    let (node, rust) = (Target::at(node), Target::at(rust));
    for read in reads {
        let found = compare(&node, &rust, read, caller, Values::Described).await?;
        if !found.differences.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Compares two services as someone does who types the command.
async fn exit_code(
    node: SocketAddr,
    rust: SocketAddr,
    secret: &str,
) -> Result<Option<i32>, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let mut command = Command::new(program);
    command
        .arg("--compare")
        .args([node, rust].map(|address| format!("http://{address}")))
        .env_remove("CIVIC_TOKEN")
        .env("JWT_SECRET", secret);
    let output = process::output("civic-interop", &mut command).await?;
    Ok(output.status.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service without a defect stands for the Node service, so that this needs no Node.
    #[tokio::test]
    async fn each_seeded_defect_is_found_and_a_service_without_one_is_not_accused() {
        let secret = Secret::new("0123456789abcdef0123456789abcdef").expect("long enough");
        let caller = Caller::service(secret.clone()).expect("the secret is good");
        let reads = reads();
        let serve = async |defect| {
            Defective::serve(secret.clone(), defect)
                .await
                .expect("it listens")
        };
        let (node, sound) = (serve(None).await, serve(None).await);
        let found = differences(node.address, sound.address, &reads, &caller).await;
        assert_eq!(found, Ok(Vec::new()));

        let defects = Defect::all();
        assert!(defects.len() >= 30);
        let mut unseen = Vec::new();
        for defect in defects {
            let service = serve(Some(defect)).await;
            if is_found(node.address, service.address, &reads, &caller).await != Ok(true) {
                unseen.push(defect.name());
            }
        }
        assert_eq!(unseen, [""; 0]);
    }
}
