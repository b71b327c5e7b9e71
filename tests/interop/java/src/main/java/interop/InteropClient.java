package interop;

import com.google.protobuf.BoolValue;
import com.google.protobuf.ByteString;
import grpc.testing.EmptyOuterClass.Empty;
import grpc.testing.Messages.EchoStatus;
import grpc.testing.Messages.Payload;
import grpc.testing.Messages.ResponseParameters;
import grpc.testing.Messages.SimpleRequest;
import grpc.testing.Messages.StreamingInputCallRequest;
import grpc.testing.Messages.StreamingOutputCallRequest;
import grpc.testing.Messages.StreamingOutputCallResponse;
import io.grpc.CallOptions;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.BlockingClientCall;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/**
 * gRPC's interop cases by grpc-java, against any interop test server; and what a session says.
 *
 * <p>usage: InteropClient PKI_FOLDER TARGET [attach SESSION TIMES]
 *
 * <p>TARGET: HOST:PORT (without TLS), tls:HOST:PORT (mutual) or unix:PATH. Prints "ok CASE" or "FAIL CASE: why".
 */
public final class InteropClient {
    static final int DEADLINE_S = 30;
    private static final int LARGE_REQUEST = 271828;
    private static final int LARGE_RESPONSE = 314159;
    private static final List<Integer> REQUESTS = List.of(27182, 8, 1828, 45904);
    private static final List<Integer> RESPONSES = List.of(31415, 9, 2653, 58979);
    private static final Metadata.Key<String> INITIAL =
            Metadata.Key.of("x-grpc-test-echo-initial", Metadata.ASCII_STRING_MARSHALLER);
    private static final Metadata.Key<byte[]> TRAILING =
            Metadata.Key.of("x-grpc-test-echo-trailing-bin", Metadata.BINARY_BYTE_MARSHALLER);

    /** A case, which throws where it fails. */
    interface Case {
        void run() throws Exception;
    }

    private final ManagedChannel channel;

    private InteropClient(ManagedChannel channel) {
        this.channel = channel;
    }

    private Stub stub() {
        return new Stub(channel, CallOptions.DEFAULT).withDeadlineAfter(DEADLINE_S, TimeUnit.SECONDS);
    }

    static void equal(Object got, Object want) {
        if (!Objects.equals(got, want)) {
            throw new AssertionError(got + ", want " + want);
        }
    }

    private static void fails(Callable<?> call, Status.Code code, String message) throws Exception {
        try {
            call.call();
        } catch (StatusException error) {
            equal(error.getStatus().getCode(), code);
            if (message != null) {
                equal(error.getStatus().getDescription(), message);
            }
            return;
        }
        throw new AssertionError("the call did not fail");
    }

    private static Payload payload(int size) {
        return Payload.newBuilder().setBody(ByteString.copyFrom(new byte[size])).build();
    }

    private static SimpleRequest.Builder simple() {
        return SimpleRequest.newBuilder().setResponseSize(LARGE_RESPONSE).setPayload(payload(LARGE_REQUEST));
    }

    private static ResponseParameters parameters(int size) {
        return ResponseParameters.newBuilder().setSize(size).build();
    }

    private static StreamingOutputCallRequest output(int size, int responseSize) {
        return StreamingOutputCallRequest.newBuilder()
                .setPayload(payload(size)).addResponseParameters(parameters(responseSize)).build();
    }

    private static List<Integer> sizes(BlockingClientCall<?, StreamingOutputCallResponse> call) throws Exception {
        List<Integer> sizes = new ArrayList<>();
        for (var message = call.read(); message != null; message = call.read()) {
            sizes.add(message.getPayload().getBody().size());
        }
        return sizes;
    }

    private static void large(Stub stub, SimpleRequest.Builder request) throws Exception {
        equal(stub.unaryCall(request.build()).getPayload().getBody().size(), LARGE_RESPONSE);
    }

    private void emptyUnary() throws Exception {
        equal(stub().empty("TestService/EmptyCall"), Empty.getDefaultInstance());
    }

    private void largeUnary() throws Exception {
        large(stub(), simple());
    }

    private void clientStreaming() throws Exception {
        var call = stub().streamingInputCall();
        for (int size : REQUESTS) {
            call.write(StreamingInputCallRequest.newBuilder().setPayload(payload(size)).build());
        }
        call.halfClose();
        equal(call.read().getAggregatedPayloadSize(), 74922);
    }

    private void serverStreaming() throws Exception {
        var request = StreamingOutputCallRequest.newBuilder();
        RESPONSES.forEach(size -> request.addResponseParameters(parameters(size)));
        equal(sizes(stub().streamingOutputCall(request.build())), RESPONSES);
    }

    private void pingPong() throws Exception {
        var call = stub().fullDuplexCall();
        for (int i = 0; i < REQUESTS.size(); i++) {
            call.write(output(REQUESTS.get(i), RESPONSES.get(i)));
            equal(call.read().getPayload().getBody().size(), RESPONSES.get(i));
        }
        call.halfClose();
        equal(sizes(call), List.of());
    }

    private void emptyStream() throws Exception {
        var call = stub().fullDuplexCall();
        call.halfClose();
        equal(sizes(call), List.of());
    }

    private void clientCompressedUnary() throws Exception {
        // Does the server look at all?
        var compressed = simple().setExpectCompressed(BoolValue.of(true));
        fails(() -> stub().unaryCall(compressed.build()), Status.Code.INVALID_ARGUMENT, null);
        large(stub().withCompression("gzip"), compressed);
        large(stub(), simple().setExpectCompressed(BoolValue.of(false)));
    }

    private void serverCompressedUnary() throws Exception {
        for (boolean gzip : new boolean[] {true, false}) {
            large(stub(), simple().setResponseCompressed(BoolValue.of(gzip)));
        }
    }

    private void customMetadata() throws Exception {
        byte[] bytes = {(byte) 0xab, (byte) 0xab, (byte) 0xab};
        Metadata sent = new Metadata();
        sent.put(INITIAL, "test_initial_metadata_value");
        sent.put(TRAILING, bytes);
        AtomicReference<Metadata> headers = new AtomicReference<>();
        AtomicReference<Metadata> trailers = new AtomicReference<>();
        var stub = stub().withInterceptors(MetadataUtils.newAttachHeadersInterceptor(sent),
                MetadataUtils.newCaptureMetadataInterceptor(headers, trailers));
        Case echoed = () -> {
            equal(headers.getAndSet(null).get(INITIAL), "test_initial_metadata_value");
            equal(ByteString.copyFrom(trailers.getAndSet(null).get(TRAILING)), ByteString.copyFrom(bytes));
        };
        large(stub, simple());
        echoed.run();
        var call = stub.fullDuplexCall();
        call.write(output(1, 1));
        call.halfClose();
        equal(sizes(call), List.of(1));
        echoed.run();
    }

    private void status(String message) throws Exception {
        var asked = EchoStatus.newBuilder().setCode(Status.Code.UNKNOWN.value()).setMessage(message).build();
        fails(() -> stub().unaryCall(simple().setResponseStatus(asked).build()), Status.Code.UNKNOWN, message);
        var call = stub().fullDuplexCall();
        call.write(StreamingOutputCallRequest.newBuilder().setResponseStatus(asked).build());
        fails(() -> sizes(call), Status.Code.UNKNOWN, message);
    }

    private void statusCodeAndMessage() throws Exception {
        status("test status message");
    }

    private void specialStatusMessage() throws Exception {
        status("\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \ud83d\ude08\t\n");
    }

    private void unimplementedMethod() throws Exception {
        fails(() -> stub().empty("TestService/UnimplementedCall"), Status.Code.UNIMPLEMENTED, null);
    }

    private void unimplementedService() throws Exception {
        fails(() -> stub().empty("UnimplementedService/UnimplementedCall"), Status.Code.UNIMPLEMENTED, null);
    }

    private void cancelAfterBegin() throws Exception {
        var call = stub().streamingInputCall();
        call.cancel("enough", null);
        fails(call::read, Status.Code.CANCELLED, null);
    }

    private void cancelAfterFirstResponse() throws Exception {
        var call = stub().fullDuplexCall();
        call.write(output(REQUESTS.get(0), RESPONSES.get(0)));
        equal(call.read().getPayload().getBody().size(), RESPONSES.get(0));
        call.cancel("enough", null);
        fails(call::read, Status.Code.CANCELLED, null);
    }

    private void timeoutOnSleepingServer() throws Exception {
        fails(() -> {
            var call = stub().withDeadlineAfter(1, TimeUnit.MILLISECONDS).fullDuplexCall();
            call.write(StreamingOutputCallRequest.newBuilder().setPayload(payload(REQUESTS.get(0))).build());
            return call.read();
        }, Status.Code.DEADLINE_EXCEEDED, null);
    }

    private Map<String, Case> cases() {
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("empty_unary", this::emptyUnary);
        cases.put("large_unary", this::largeUnary);
        cases.put("client_streaming", this::clientStreaming);
        cases.put("server_streaming", this::serverStreaming);
        cases.put("ping_pong", this::pingPong);
        cases.put("empty_stream", this::emptyStream);
        cases.put("client_compressed_unary", this::clientCompressedUnary);
        cases.put("server_compressed_unary", this::serverCompressedUnary);
        cases.put("custom_metadata", this::customMetadata);
        cases.put("status_code_and_message", this::statusCodeAndMessage);
        cases.put("special_status_message", this::specialStatusMessage);
        cases.put("unimplemented_method", this::unimplementedMethod);
        cases.put("unimplemented_service", this::unimplementedService);
        cases.put("cancel_after_begin", this::cancelAfterBegin);
        cases.put("cancel_after_first_response", this::cancelAfterFirstResponse);
        cases.put("timeout_on_sleeping_server", this::timeoutOnSleepingServer);
        return cases;
    }

    private static ManagedChannel connect(String folder, String target) throws IOException {
        if (!target.startsWith("tls:")) {
            var builder = Grpc.newChannelBuilder(target, InsecureChannelCredentials.create());
            if (target.startsWith("unix:")) {
                builder.overrideAuthority("localhost"); // it would say the path, which is no authority
            }
            return builder.build();
        }
        ChannelCredentials mutual = TlsChannelCredentials.newBuilder()
                .trustManager(new File(folder, "ca.pem"))
                .keyManager(new File(folder, "client.pem"), new File(folder, "client.key"))
                .build();
        return Grpc.newChannelBuilder(target.substring("tls:".length()), mutual).build();
    }

    public static void main(String[] arguments) throws Exception {
        ManagedChannel channel = connect(arguments[0], arguments[1]);
        Map<String, Case> cases = new InteropClient(channel).cases();
        if (arguments.length > 2) {
            cases = Map.of("attach", () -> Attach.run(channel, arguments[3], Integer.parseInt(arguments[4])));
        }
        boolean failed = false;
        for (var entry : cases.entrySet()) {
            try {
                entry.getValue().run();
                System.out.println("ok " + entry.getKey());
            } catch (Exception | AssertionError error) {
                failed = true;
                System.out.println("FAIL " + entry.getKey() + ": " + String.valueOf(error).replace('\n', ' '));
            }
        }
        channel.shutdownNow();
        System.exit(failed ? 1 : 0);
    }
}
