// Stubs of the test service and of the daemon's sessions; needs protoc.
fn main() -> std::io::Result<()> {
    let (tests, ours) = ("../grpc/proto", "../../../proto");
    println!("cargo:rerun-if-changed={tests}");
    println!("cargo:rerun-if-changed={ours}");
    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        .compile_protos(
            &["test.proto", "banger/v1/guest_session.proto"],
            &[tests, ours, "/usr/include"],
        )
}
