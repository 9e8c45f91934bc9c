//! Promise: a lookup can withhold, but never alter: what it changed of a registration is refused by every client, and counted.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_e2e::{Observer, PATIENCE, Reactor, Sandbox, SimFarms, wait_until};
use hedgerow_proto::lookup::lookup_client::LookupClient;
use hedgerow_proto::lookup::lookup_server::{Lookup, LookupServer};
use hedgerow_proto::lookup::watch_response::event::Event;
use hedgerow_proto::lookup::{
    CancelRequest, CancelResponse, FacetsRequest, FacetsResponse, FindRequest, FindResponse, Held,
    RegisterRequest, RegisterResponse, RenewRequest, RenewResponse, StatusRequest, StatusResponse,
    WatchRequest, WatchResponse,
};
use std::pin::Pin;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status, Streaming};

const FARMS: [&str; 4] = ["altered-in-its-name", "unsigned", "signed-for-another", "signed-by-another"];

/// Says what a true lookup says, but for what it alters.
struct Liar(LookupClient<Channel>);

impl Liar {
    /// Each farm in another way.
    fn alter(held: &mut [Held]) {
        let signatures: Vec<_> = held.iter().map(|held| signed(held).signature.clone()).collect();
        let keys: Vec<_> = held.iter().map(|held| signed(held).public_key.clone()).collect();
        for (number, held) in held.iter_mut().enumerate() {
            let other = (number + 1) % signatures.len();
            let signed = held.registration.as_mut().unwrap();
            match number % 4 {
                0 => {
                    let mut body = signed.body.to_vec();
                    let last = body.len() / 2;
                    body[last] ^= 1;
                    signed.body = body.into();
                }
                1 => signed.signature = Default::default(),
                2 => signed.signature = signatures[other].clone(),
                _ => signed.public_key = keys[other].clone(),
            }
        }
    }
}

fn signed(held: &Held) -> &hedgerow_proto::lookup::Signed {
    held.registration.as_ref().unwrap()
}

type Told<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Lookup for Liar {
    type RenewStream = Told<RenewResponse>;
    type WatchStream = Told<WatchResponse>;

    async fn find(&self, request: Request<FindRequest>) -> Result<Response<FindResponse>, Status> {
        let mut answer = self.0.clone().find(request.into_inner()).await?;
        Self::alter(&mut answer.get_mut().held);
        Ok(answer)
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let told = self.0.clone().watch(request.into_inner()).await?.into_inner();
        let altered = told.map(|response| {
            let mut response = response?;
            let held = response.events.iter_mut().filter_map(|event| match event.event.as_mut()? {
                Event::Present(held) => Some(held),
                Event::Appeared(appeared) => appeared.held.as_mut(),
                Event::Changed(changed) => changed.held.as_mut(),
                _ => None,
            });
            let held: Vec<&mut Held> = held.collect();
            let mut lies: Vec<Held> = held.iter().map(|held| (**held).clone()).collect();
            Self::alter(&mut lies);
            for (held, lie) in held.into_iter().zip(lies) {
                *held = lie;
            }
            Ok(response)
        });
        Ok(Response::new(Box::pin(altered)))
    }

    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        self.0.clone().status(request.into_inner()).await
    }

    async fn facets(&self, _: Request<FacetsRequest>) -> Result<Response<FacetsResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn register(&self, _: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn renew(
        &self,
        _: Request<Streaming<RenewRequest>>,
    ) -> Result<Response<Self::RenewStream>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn cancel(&self, _: Request<CancelRequest>) -> Result<Response<CancelResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

#[test]
fn a_registration_that_a_lookup_altered_is_refused_and_counted() {
    let sandbox = Sandbox::new();
    let _lookup = sandbox.first_lookup();
    let truth = sandbox.url(1);
    let farms = SimFarms::new(&sandbox, vec![truth.clone()]);
    farms.start_all(FARMS);
    wait_until("all farms", PATIENCE, || farms.all_registered());

    let reactor = Reactor::new();
    let url = truth.clone();
    let lies = reactor.run(async move {
        let liar = Liar(LookupClient::new(Channel::from_shared(url).unwrap().connect().await.unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let lies = format!("http://{}", listener.local_addr().unwrap());
        let incoming = TcpListenerStream::new(listener);
        tokio::spawn(async move {
            Server::builder().add_service(LookupServer::new(liar)).serve_with_incoming(incoming).await
        });
        lies
    });

    // Who hears only lies believes nothing, and says so.
    let deceived = Observer::new(std::slice::from_ref(&lies), "kind=farm");
    // A refusal is no transition: the next one shows the count. That the snapshot is over is one.
    wait_until("lies", PATIENCE, || deceived.refused() >= FARMS.len() as u64);
    assert!(deceived.present().is_empty(), "{:?}", deceived.noted());
    let found = sandbox.run(&["find", "kind=farm", "--lookup", &lies]);
    assert!(
        found.stderr.contains(&format!("{} registrations were altered", FARMS.len())),
        "{}",
        found.told()
    );
    assert!(!found.stdout.contains("altered-in"), "{}", found.told());

    // Who hears both knows the truth.
    let both = [lies.clone(), truth];
    let observer = Observer::new(&both, "kind=farm");
    wait_until("the truth", PATIENCE, || {
        observer.present().len() == FARMS.len() && observer.refused() >= FARMS.len() as u64
    });
    for name in FARMS {
        farms.change(name, "says something else");
    }
    wait_until("changes", PATIENCE, || {
        FARMS.iter().all(|name| observer.story(name) == ["appeared", "changed"])
    });
    let found = sandbox.run(&["find", "kind=farm", "--json", "--lookup", &both[0], "--lookup", &both[1]]);
    assert!(found.stderr.contains("registrations were altered"), "{}", found.told());
    let mut names: Vec<String> =
        found.json().iter().map(|farm| farm["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    let mut expected = FARMS;
    expected.sort_unstable();
    assert_eq!(names, expected);
}
