use std::collections::HashMap;

use tonic::transport::Channel;

use crate::{equal, pipe, request, Outcome};
use banger::attach_request::Frame::Open;
use banger::attach_response::Frame::{Data, Exit};
use banger::guest_session_service_client::GuestSessionServiceClient;
use banger::session_exit::Kind::Code;
use banger::{AttachOpen, AttachRequest};

#[allow(dead_code)]
mod banger {
    tonic::include_proto!("banger.v1");
}

/// A session's output to its end, while the client has not said that it is done;
/// tests/interop/attach_test.sh has the command.
async fn attach(mut client: GuestSessionServiceClient<Channel>, session: &str) -> Outcome {
    let (sender, requests) = pipe();
    let open = Open(AttachOpen {
        session: session.into(),
        ..Default::default()
    });
    sender.send(AttachRequest { frame: Some(open) }).await?;
    let mut stream = client.attach(request(requests)).await?.into_inner();
    let (mut got, mut exit) = (HashMap::new(), None);
    while let Some(message) = stream.message().await? {
        match message.frame {
            Some(Data(data)) => *got.entry(data.stream).or_insert(0) += data.data.len(),
            Some(Exit(end)) => exit = end.exit.and_then(|end| end.kind),
            _ => {}
        }
    }
    drop(sender);
    equal(got, HashMap::from([(1, 300000), (2, 8)]))?;
    equal(exit, Some(Code(42)))
}

pub async fn attach_times(channel: Channel, session: &str, times: usize) -> Outcome {
    let client = GuestSessionServiceClient::new(channel);
    for _ in 0..times {
        attach(client.clone(), session).await?;
    }
    Ok(())
}
