package interop;

import banger.v1.Attach.AttachRequest;
import banger.v1.Attach.AttachResponse;
import com.google.protobuf.Message;
import grpc.testing.EmptyOuterClass.Empty;
import grpc.testing.Messages.SimpleRequest;
import grpc.testing.Messages.SimpleResponse;
import grpc.testing.Messages.StreamingInputCallRequest;
import grpc.testing.Messages.StreamingInputCallResponse;
import grpc.testing.Messages.StreamingOutputCallRequest;
import grpc.testing.Messages.StreamingOutputCallResponse;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.StatusException;
import io.grpc.protobuf.ProtoUtils;
import io.grpc.stub.AbstractBlockingStub;
import io.grpc.stub.BlockingClientCall;
import io.grpc.stub.ClientCalls;

/** The methods that are called, as the generator would write them: not every mirror of Maven's packages has it. */
final class Stub extends AbstractBlockingStub<Stub> {
    private static final String TEST = "grpc.testing.TestService/";
    private static final MethodDescriptor<SimpleRequest, SimpleResponse> UNARY = method(TEST + "UnaryCall",
            MethodType.UNARY, SimpleRequest.getDefaultInstance(), SimpleResponse.getDefaultInstance());
    private static final MethodDescriptor<StreamingInputCallRequest, StreamingInputCallResponse> INPUT =
            method(TEST + "StreamingInputCall", MethodType.CLIENT_STREAMING,
                    StreamingInputCallRequest.getDefaultInstance(), StreamingInputCallResponse.getDefaultInstance());
    private static final MethodDescriptor<StreamingOutputCallRequest, StreamingOutputCallResponse> OUTPUT =
            output("StreamingOutputCall", MethodType.SERVER_STREAMING);
    private static final MethodDescriptor<StreamingOutputCallRequest, StreamingOutputCallResponse> DUPLEX =
            output("FullDuplexCall", MethodType.BIDI_STREAMING);
    private static final MethodDescriptor<AttachRequest, AttachResponse> ATTACH =
            method("banger.v1.GuestSessionService/Attach", MethodType.BIDI_STREAMING,
                    AttachRequest.getDefaultInstance(), AttachResponse.getDefaultInstance());

    Stub(Channel channel, CallOptions options) {
        super(channel, options);
    }

    @Override
    protected Stub build(Channel channel, CallOptions options) {
        return new Stub(channel, options);
    }

    private static <Q extends Message, S extends Message> MethodDescriptor<Q, S> method(
            String name, MethodType type, Q request, S response) {
        return MethodDescriptor.newBuilder(ProtoUtils.marshaller(request), ProtoUtils.marshaller(response))
                .setFullMethodName(name).setType(type).build();
    }

    private static MethodDescriptor<StreamingOutputCallRequest, StreamingOutputCallResponse> output(
            String name, MethodType type) {
        return method(TEST + name, type, StreamingOutputCallRequest.getDefaultInstance(),
                StreamingOutputCallResponse.getDefaultInstance());
    }

    /** EmptyCall and those that are not there. */
    Empty empty(String name) throws StatusException {
        return ClientCalls.blockingV2UnaryCall(getChannel(),
                method("grpc.testing." + name, MethodType.UNARY, Empty.getDefaultInstance(), Empty.getDefaultInstance()),
                getCallOptions(), Empty.getDefaultInstance());
    }

    SimpleResponse unaryCall(SimpleRequest request) throws StatusException {
        return ClientCalls.blockingV2UnaryCall(getChannel(), UNARY, getCallOptions(), request);
    }

    BlockingClientCall<StreamingInputCallRequest, StreamingInputCallResponse> streamingInputCall() {
        return ClientCalls.blockingClientStreamingCall(getChannel(), INPUT, getCallOptions());
    }

    BlockingClientCall<?, StreamingOutputCallResponse> streamingOutputCall(StreamingOutputCallRequest request) {
        return ClientCalls.blockingV2ServerStreamingCall(getChannel(), OUTPUT, getCallOptions(), request);
    }

    BlockingClientCall<StreamingOutputCallRequest, StreamingOutputCallResponse> fullDuplexCall() {
        return ClientCalls.blockingBidiStreamingCall(getChannel(), DUPLEX, getCallOptions());
    }

    BlockingClientCall<AttachRequest, AttachResponse> attach() {
        return ClientCalls.blockingBidiStreamingCall(getChannel(), ATTACH, getCallOptions());
    }
}
