package interop;

import banger.v1.Attach.AttachOpen;
import banger.v1.Attach.AttachRequest;
import io.grpc.CallOptions;
import io.grpc.Channel;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Reads what a session says; tests/interop/attach_test.sh has the command. */
final class Attach {
    private Attach() {
    }

    /** A session's output to its end, while the client has not said that it is done. */
    private static void once(Channel channel, String session) throws Exception {
        var stub = new Stub(channel, CallOptions.DEFAULT);
        var call = stub.withDeadlineAfter(InteropClient.DEADLINE_S, TimeUnit.SECONDS).attach();
        call.write(AttachRequest.newBuilder().setOpen(AttachOpen.newBuilder().setSession(session)).build());
        Map<Integer, Integer> got = new HashMap<>();
        int code = -1;
        for (var message = call.read(); message != null; message = call.read()) {
            if (message.hasData()) {
                got.merge(message.getData().getStreamValue(), message.getData().getData().size(), Integer::sum);
            } else if (message.hasExit()) {
                code = message.getExit().getExit().getCode();
            }
        }
        InteropClient.equal(got, Map.of(1, 300000, 2, 8));
        InteropClient.equal(code, 42);
    }

    static void run(Channel channel, String session, int times) throws Exception {
        for (int i = 0; i < times; i++) {
            once(channel, session);
        }
    }
}
