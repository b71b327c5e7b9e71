// Stubs of echo.proto, which is in ECHO_PROTO_DIR; needs protoc. Payloads are left where they lie.
fn main() -> std::io::Result<()> {
    let protos = std::env::var("ECHO_PROTO_DIR").expect("ECHO_PROTO_DIR");
    println!("cargo:rerun-if-env-changed=ECHO_PROTO_DIR");
    println!("cargo:rerun-if-changed={protos}/echo.proto");
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .bytes(".")
        .compile_protos(&["echo.proto"], &[protos.as_str()])
}
