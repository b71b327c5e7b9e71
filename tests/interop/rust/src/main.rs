// gRPC's interop cases by tonic, against any interop test server; and what a session says.
//
//   interop-tonic PKI_FOLDER TARGET [attach SESSION TIMES]
//
// TARGET: HOST:PORT (without TLS), tls:HOST:PORT (mutual) or unix:PATH. Prints "ok CASE" or "FAIL CASE:
// why".
mod attach;

use std::fmt::Debug;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status, Streaming};

use testing::test_service_client::TestServiceClient;
use testing::unimplemented_service_client::UnimplementedServiceClient;
use testing::*;

mod testing {
    tonic::include_proto!("grpc.testing");
}

const LARGE_REQUEST: usize = 271828;
const LARGE_RESPONSE: usize = 314159;
const REQUESTS: [usize; 4] = [27182, 8, 1828, 45904];
const RESPONSES: [usize; 4] = [31415, 9, 2653, 58979];
const DEADLINE: Duration = Duration::from_secs(30);
const INITIAL: &str = "x-grpc-test-echo-initial";
const TRAILING: &str = "x-grpc-test-echo-trailing-bin";

type Client = TestServiceClient<Channel>;
type Outcome = Result<(), Box<dyn std::error::Error>>;

fn equal<T: PartialEq + Debug>(got: T, want: T) -> Outcome {
    match got == want {
        true => Ok(()),
        false => Err(format!("{got:?}, want {want:?}").into()),
    }
}

fn fails<T>(outcome: Result<T, Status>, code: Code, message: Option<&str>) -> Outcome {
    let Err(status) = outcome else {
        return Err("the call did not fail".into());
    };
    equal(status.code(), code)?;
    message.map_or(Ok(()), |message| equal(status.message(), message))
}

fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

fn payload(size: usize) -> Option<Payload> {
    Some(Payload {
        body: vec![0; size],
        ..Default::default()
    })
}

fn simple() -> SimpleRequest {
    SimpleRequest {
        response_size: LARGE_RESPONSE as i32,
        payload: payload(LARGE_REQUEST),
        ..Default::default()
    }
}

fn parameters(size: usize) -> ResponseParameters {
    ResponseParameters {
        size: size as i32,
        ..Default::default()
    }
}

fn output(size: usize, response_size: usize) -> StreamingOutputCallRequest {
    StreamingOutputCallRequest {
        payload: payload(size),
        response_parameters: vec![parameters(response_size)],
        ..Default::default()
    }
}

fn input(size: usize) -> StreamingInputCallRequest {
    StreamingInputCallRequest {
        payload: payload(size),
        ..Default::default()
    }
}

/// Requests that are given one by one; they end with the sender.
fn pipe<T>() -> (mpsc::Sender<T>, ReceiverStream<T>) {
    let (sender, receiver) = mpsc::channel(8);
    (sender, ReceiverStream::new(receiver))
}

fn body(payload: Option<Payload>) -> usize {
    payload.map_or(0, |payload| payload.body.len())
}

/// The sizes of all that comes, to the end.
async fn receive(
    stream: &mut Streaming<StreamingOutputCallResponse>,
) -> Result<Vec<usize>, Status> {
    let mut sizes = Vec::new();
    while let Some(message) = stream.message().await? {
        sizes.push(body(message.payload));
    }
    Ok(sizes)
}

/// A whole call; its status may come with the headers or at the end of the stream.
async fn duplex<S>(mut client: Client, requests: Request<S>) -> Result<Vec<usize>, Status>
where
    S: tokio_stream::Stream<Item = StreamingOutputCallRequest> + Send + 'static,
{
    receive(&mut client.full_duplex_call(requests).await?.into_inner()).await
}

async fn large(mut client: Client, request: SimpleRequest) -> Outcome {
    let answer = client.unary_call(self::request(request)).await?;
    equal(body(answer.into_inner().payload), LARGE_RESPONSE)
}

async fn empty_unary(mut client: Client) -> Outcome {
    equal(
        client.empty_call(request(Empty {})).await?.into_inner(),
        Empty {},
    )
}

async fn large_unary(client: Client) -> Outcome {
    large(client, simple()).await
}

async fn client_streaming(mut client: Client) -> Outcome {
    let requests = tokio_stream::iter(REQUESTS.map(input));
    let sum = client.streaming_input_call(request(requests)).await?;
    equal(sum.into_inner().aggregated_payload_size, 74922)
}

async fn server_streaming(mut client: Client) -> Outcome {
    let wanted = StreamingOutputCallRequest {
        response_parameters: RESPONSES.map(parameters).to_vec(),
        ..Default::default()
    };
    let mut stream = client
        .streaming_output_call(request(wanted))
        .await?
        .into_inner();
    equal(receive(&mut stream).await?, RESPONSES.to_vec())
}

async fn ping_pong(mut client: Client) -> Outcome {
    let (sender, requests) = pipe();
    sender.send(output(REQUESTS[0], RESPONSES[0])).await?;
    let mut stream = client
        .full_duplex_call(request(requests))
        .await?
        .into_inner();
    for i in 0..REQUESTS.len() {
        let message = stream.message().await?.ok_or("the end")?;
        equal(body(message.payload), RESPONSES[i])?;
        if i + 1 < REQUESTS.len() {
            sender
                .send(output(REQUESTS[i + 1], RESPONSES[i + 1]))
                .await?;
        }
    }
    drop(sender);
    equal(receive(&mut stream).await?, vec![])
}

async fn empty_stream(mut client: Client) -> Outcome {
    let requests = request(tokio_stream::empty());
    let mut stream = client.full_duplex_call(requests).await?.into_inner();
    equal(receive(&mut stream).await?, vec![])
}

async fn client_compressed_unary(mut client: Client) -> Outcome {
    let compressed = SimpleRequest {
        expect_compressed: Some(true),
        ..simple()
    };
    // Does the server look at all?
    fails(
        client.unary_call(request(compressed.clone())).await,
        Code::InvalidArgument,
        None,
    )?;
    large(client.clone().send_compressed(Gzip), compressed).await?;
    large(
        client,
        SimpleRequest {
            expect_compressed: Some(false),
            ..simple()
        },
    )
    .await
}

async fn server_compressed_unary(client: Client) -> Outcome {
    for gzip in [true, false] {
        let wanted = SimpleRequest {
            response_compressed: Some(gzip),
            ..simple()
        };
        large(client.clone().accept_compressed(Gzip), wanted).await?;
    }
    Ok(())
}

async fn custom_metadata(mut client: Client) -> Outcome {
    fn ask(metadata: &mut MetadataMap) {
        metadata.insert(
            INITIAL,
            MetadataValue::from_static("test_initial_metadata_value"),
        );
        metadata.insert_bin(TRAILING, MetadataValue::from_bytes(b"\xab\xab\xab"));
    }
    fn echoed(initial: &MetadataMap, trailing: &MetadataMap) -> Outcome {
        let text = initial.get(INITIAL).ok_or("no initial metadata")?;
        equal(text.to_str()?, "test_initial_metadata_value")?;
        let bytes = trailing
            .get_bin(TRAILING)
            .ok_or("no trailing metadata")?
            .to_bytes()?;
        equal(&bytes[..], &b"\xab\xab\xab"[..])
    }
    let mut asked = request(simple());
    ask(asked.metadata_mut());
    let answer = client.unary_call(asked).await?;
    echoed(answer.metadata(), answer.metadata())?; // tonic has one map for both
    let mut asked = request(tokio_stream::once(output(1, 1)));
    ask(asked.metadata_mut());
    let (initial, mut stream, _) = client.full_duplex_call(asked).await?.into_parts();
    receive(&mut stream).await?;
    echoed(&initial, &stream.trailers().await?.ok_or("no trailers")?)
}

async fn status(mut client: Client, message: &str) -> Outcome {
    let asked = Some(EchoStatus {
        code: Code::Unknown as i32,
        message: message.into(),
    });
    let unary = SimpleRequest {
        response_status: asked.clone(),
        ..simple()
    };
    fails(
        client.unary_call(request(unary)).await,
        Code::Unknown,
        Some(message),
    )?;
    let streamed = StreamingOutputCallRequest {
        response_status: asked,
        ..Default::default()
    };
    let call = duplex(client, request(tokio_stream::once(streamed))).await;
    fails(call, Code::Unknown, Some(message))
}

async fn status_code_and_message(client: Client) -> Outcome {
    status(client, "test status message").await
}

async fn special_status_message(client: Client) -> Outcome {
    let message = "\t\ntest with whitespace\r\nand Unicode BMP \u{263a} and non-BMP \u{1f608}\t\n";
    status(client, message).await
}

async fn unimplemented_method(mut client: Client) -> Outcome {
    fails(
        client.unimplemented_call(request(Empty {})).await,
        Code::Unimplemented,
        None,
    )
}

async fn unimplemented_service(channel: Channel) -> Outcome {
    let mut client = UnimplementedServiceClient::new(channel);
    fails(
        client.unimplemented_call(request(Empty {})).await,
        Code::Unimplemented,
        None,
    )
}

// Calls are cancelled by dropping them, which leaves no status to look at: the connection goes on.
async fn cancel_after_begin(mut client: Client) -> Outcome {
    let (_sender, requests) = pipe();
    let call = client.streaming_input_call(request(requests));
    if timeout(Duration::from_millis(50), call).await.is_ok() {
        return Err("the call ended by itself".into());
    }
    empty_unary(client).await
}

async fn cancel_after_first_response(mut client: Client) -> Outcome {
    let (sender, requests) = pipe();
    sender.send(output(REQUESTS[0], RESPONSES[0])).await?;
    let mut stream = client
        .full_duplex_call(request(requests))
        .await?
        .into_inner();
    let message = stream.message().await?.ok_or("the end")?;
    equal(body(message.payload), RESPONSES[0])?;
    drop(stream);
    empty_unary(client).await
}

// tonic's own timer, mostly the sooner one, says CANCELLED.
async fn timeout_on_sleeping_server(client: Client) -> Outcome {
    let (sender, requests) = pipe();
    sender
        .send(StreamingOutputCallRequest {
            payload: payload(REQUESTS[0]),
            ..Default::default()
        })
        .await?;
    let mut asked = Request::new(requests);
    asked.set_timeout(Duration::from_millis(1));
    match duplex(client, asked).await {
        Err(status) if status.code() == Code::Cancelled => {
            equal(status.message(), "Timeout expired")
        }
        ended => fails(ended, Code::DeadlineExceeded, None),
    }
}

async fn connect(folder: &str, target: &str) -> Result<Channel, Box<dyn std::error::Error>> {
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}"));
    let endpoint = if let Some(address) = target.strip_prefix("tls:") {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(read("ca.pem")?))
            .identity(Identity::from_pem(read("client.pem")?, read("client.key")?));
        Endpoint::from_shared(format!("https://{address}"))?.tls_config(tls)?
    } else if target.starts_with("unix:") {
        Endpoint::from_shared(target.to_string())?
    } else {
        Endpoint::from_shared(format!("http://{target}"))?
    };
    Ok(endpoint.connect().await?)
}

fn report(case: &str, outcome: Outcome) -> bool {
    match &outcome {
        Ok(()) => println!("ok {case}"),
        Err(error) => println!("FAIL {case}: {}", error.to_string().replace('\n', " ")),
    }
    outcome.is_ok()
}

/// Runs each case with its argument; false where one failed.
macro_rules! run {
    ($($case:ident($argument:expr)),* $(,)?) => {
        [$(report(stringify!($case), $case($argument).await)),*].iter().all(|&ok| ok)
    };
}

async fn run(arguments: &[String]) -> Result<bool, Box<dyn std::error::Error>> {
    let channel = connect(&arguments[1], &arguments[2]).await?;
    if let [_, _, _, _, session, times] = arguments {
        return Ok(report(
            "attach",
            attach::attach_times(channel, session, times.parse()?).await,
        ));
    }
    let client = TestServiceClient::new(channel.clone());
    Ok(run!(
        empty_unary(client.clone()),
        large_unary(client.clone()),
        client_streaming(client.clone()),
        server_streaming(client.clone()),
        ping_pong(client.clone()),
        empty_stream(client.clone()),
        client_compressed_unary(client.clone()),
        server_compressed_unary(client.clone()),
        custom_metadata(client.clone()),
        status_code_and_message(client.clone()),
        special_status_message(client.clone()),
        unimplemented_method(client.clone()),
        unimplemented_service(channel),
        cancel_after_begin(client.clone()),
        cancel_after_first_response(client.clone()),
        timeout_on_sleeping_server(client),
    ))
}

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ok = runtime.block_on(run(&arguments))?;
    std::process::exit(if ok { 0 } else { 1 })
}
