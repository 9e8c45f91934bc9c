#![allow(clippy::unwrap_used)]
use super::*;
use hedgerow_model::registration::Id;
use mdns_sd::ServiceInfo;

fn resolved(name: &str, addresses: &str, port: u16, txt: &[(&str, &str)]) -> ResolvedService {
    ServiceInfo::new(MDNS_SERVICE, name, "host.local.", addresses, port, txt).unwrap().as_resolved_service()
}

fn heard(told: &mut Told, service: ResolvedService) -> bool {
    hear(told, ServiceEvent::ServiceResolved(Box::new(service)))
}

#[test]
fn an_announcement_is_followed_to_addresses_that_can_be_reached() {
    let id = "07".repeat(16);
    let all = "10.0.0.2,fe80::1,127.0.0.1,2001:db8::2,0.0.0.0,::ffff:127.0.0.1";
    let announced = Announced::of(&resolved("a", all, 7401, &[("mesh", "m"), ("mesh_id", &id), ("v", "1")]));
    assert_eq!(announced.urls, ["http://10.0.0.2:7401", "http://[2001:db8::2]:7401"]);
    assert_eq!(announced.mesh, Some(Mesh { name: "m".into(), id: Id([7; 16]) }));
    assert!(Announced::of(&resolved("a", "10.0.0.2", 0, &[])).urls.is_empty());
}

#[test]
fn a_strange_txt_record_is_tolerated() {
    let (odd, long) = ("\u{1}\n", "x".repeat(200));
    for txt in [
        &[][..],
        &[("mesh_id", "")],
        &[("mesh_id", "zz"), ("mesh", odd)],
        &[("mesh_id", long.as_str()), ("id", "00"), ("v", "99")],
    ] {
        let announced = Announced::of(&resolved("a", "10.0.0.2", 1, txt));
        assert_eq!(announced.urls, ["http://10.0.0.2:1"], "{txt:?}");
        assert_eq!(announced.mesh, None, "{txt:?}");
    }
    let id = "07".repeat(16);
    let announced = Announced::of(&resolved("a", "10.0.0.2", 1, &[("mesh_id", &id), ("mesh", odd)]));
    assert_eq!(announced.mesh.unwrap().name, "?", "what cannot be shown is not");
}

#[test]
fn addresses_come_piecemeal_and_a_goodbye_takes_the_name_away() {
    let mut told = Told::default();
    assert!(heard(&mut told, resolved("a", "10.0.0.2", 1, &[])));
    assert!(!heard(&mut told, resolved("a", "10.0.0.2", 1, &[])), "nothing new");
    assert!(heard(&mut told, resolved("a", "10.0.0.2,10.0.0.3", 1, &[])));
    let name = format!("a.{MDNS_SERVICE}");
    assert_eq!(told.announced[&name].urls.len(), 2);
    assert!(hear(&mut told, ServiceEvent::ServiceRemoved(MDNS_SERVICE.into(), name)));
    assert!(told.announced.is_empty());
}

#[test]
fn a_flood_of_announcements_is_bounded_and_said() {
    let mut told = Told::default();
    for n in 0..MAX_ANNOUNCED + 5 {
        heard(&mut told, resolved(&format!("n{n}"), "10.0.0.2", 1, &[]));
    }
    assert_eq!(told.announced.len(), MAX_ANNOUNCED);
    assert!(told.problem.as_ref().unwrap().to_string().contains("the local network: more than 64"));
    assert!(heard(&mut told, resolved("n3", "10.0.0.9", 1, &[])), "who is known is still followed");
    hear(&mut told, ServiceEvent::ServiceRemoved(MDNS_SERVICE.into(), format!("n3.{MDNS_SERVICE}")));
    assert!(told.problem.is_none() && heard(&mut told, resolved("new", "10.0.0.9", 1, &[])));
}

#[tokio::test]
async fn an_announcement_of_another_mesh_is_refused_naming_both_before_anybody_connects() {
    let (tell, told) = watch::channel(Told::default());
    let mut local = LocalNetwork { told, others: Vec::new(), _task: JoinSet::new() };
    let (ours, other) = ("07".repeat(16), "08".repeat(16));
    tell.send_modify(|told| {
        heard(told, resolved("a", "10.0.0.1", 1, &[("mesh", "ours"), ("mesh_id", &ours)]));
        heard(told, resolved("b", "10.0.0.2", 1, &[("mesh", "theirs"), ("mesh_id", &other)]));
        heard(told, resolved("c", "10.0.0.3", 1, &[]));
    });
    let caller = Caller::new(None, Some(Mesh { name: "ours".into(), id: Id([7; 16]) }));
    assert_eq!(local.changed(&caller).await, ["http://10.0.0.1:1", "http://10.0.0.3:1"]);
    let said: Vec<_> = local.problems().map(|error| error.to_string()).collect();
    assert!(said[0].contains("theirs (08") && said[0].contains("ours (07"), "{said:?}");
}
