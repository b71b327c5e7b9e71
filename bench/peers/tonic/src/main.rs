// The echo service by tonic: a peer of the benchmarks. All of it is one thread's.
//
//   tonic-echo --unix PATH [--certs FOLDER]
//
// Prints "ready" once it listens. With certificates it listens on 127.0.0.1 too, in plain text and with
// mutual TLS, and prints "ready PORT TLS_PORT".
use std::error::Error;
use std::net::SocketAddr;

use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_stream::StreamExt;
use tonic::transport::server::{Router, TcpIncoming};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

use echo::echo_service_server::{EchoService, EchoServiceServer};
use echo::{EchoRequest, EchoResponse};

mod echo {
    tonic::include_proto!("banger.test.v1");
}

struct Echo;

type Answer = Result<Response<EchoResponse>, Status>;
type Answers =
    std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<EchoResponse, Status>> + Send>>;

#[tonic::async_trait]
impl EchoService for Echo {
    type ServerStreamStream = Answers;
    type BidiStream = Answers;

    async fn unary(&self, request: Request<EchoRequest>) -> Answer {
        let EchoRequest { text, payload, .. } = request.into_inner();
        Ok(Response::new(EchoResponse {
            text,
            payload,
            seq: 1,
            total_bytes: 0,
        }))
    }

    async fn bidi(
        &self,
        request: Request<Streaming<EchoRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let (mut seq, mut total_bytes) = (0, 0);
        let answers = request.into_inner().map(move |request| {
            let EchoRequest { text, payload, .. } = request?;
            seq += 1;
            total_bytes += payload.len() as u64;
            Ok(EchoResponse {
                text,
                payload,
                seq,
                total_bytes,
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn server_stream(&self, _: Request<EchoRequest>) -> Result<Response<Answers>, Status> {
        Err(Status::unimplemented("server_stream"))
    }

    async fn client_stream(&self, _: Request<Streaming<EchoRequest>>) -> Answer {
        Err(Status::unimplemented("client_stream"))
    }

    async fn missing(&self, _: Request<EchoRequest>) -> Answer {
        Err(Status::unimplemented("missing"))
    }

    async fn admin(&self, _: Request<EchoRequest>) -> Answer {
        Err(Status::unimplemented("admin"))
    }
}

fn service(mut server: Server) -> Router {
    server.add_service(EchoServiceServer::new(Echo))
}

fn loopback() -> Result<(TcpIncoming, u16), Box<dyn Error>> {
    let incoming =
        TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?.with_nodelay(Some(true));
    let port = incoming.local_addr()?.port();
    Ok((incoming, port))
}

fn mutual_tls(folder: &str) -> Result<ServerTlsConfig, Box<dyn Error>> {
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}"));
    Ok(ServerTlsConfig::new()
        .identity(Identity::from_pem(read("server.pem")?, read("server.key")?))
        .client_ca_root(Certificate::from_pem(read("ca.pem")?)))
}

async fn serve(unix: &str, certs: Option<&str>) -> Result<(), Box<dyn Error>> {
    let _ = std::fs::remove_file(unix);
    let socket = UnixListenerStream::new(UnixListener::bind(unix)?);
    if let Some(folder) = certs {
        let (plain, port) = loopback()?;
        let (secure, tls_port) = loopback()?;
        tokio::spawn(service(Server::builder()).serve_with_incoming(plain));
        tokio::spawn(
            service(Server::builder().tls_config(mutual_tls(folder)?)?).serve_with_incoming(secure),
        );
        println!("ready {port} {tls_port}");
    } else {
        println!("ready");
    }
    Ok(service(Server::builder())
        .serve_with_incoming(socket)
        .await?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).map(String::as_str)
    };
    let unix = option("--unix").ok_or("usage: tonic-echo --unix PATH [--certs FOLDER]")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(unix, option("--certs")))
}
