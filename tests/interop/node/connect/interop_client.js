// gRPC's interop cases by connect-node, against any interop test server; and what a session says.
//
// usage: interop_client.js PKI_FOLDER TARGET [attach SESSION TIMES]
//
// TARGET: HOST:PORT (without TLS), tls:HOST:PORT (mutual) or unix:PATH. Prints "ok CASE" or "FAIL CASE:
// why". test.binpb, the test service's descriptors, is beside; BANGER_DESCRIPTORS names the daemon's.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { createFileRegistry, fromBinary } = require('@bufbuild/protobuf');
const { FileDescriptorSetSchema } = require('@bufbuild/protobuf/wkt');
const { Code, createClient, decodeBinaryHeader, encodeBinaryHeader } = require('@connectrpc/connect');
const { createWritableIterable } = require('@connectrpc/connect/protocol');
const { compressionGzip, createGrpcTransport } = require('@connectrpc/connect-node');

const [folder, target, , session, times] = process.argv.slice(2);
const LARGE_REQUEST = 271828;
const LARGE_RESPONSE = 314159;
const REQUESTS = [27182, 8, 1828, 45904];
const RESPONSES = [31415, 9, 2653, 58979];

const payload = (size) => ({ body: Buffer.alloc(size) });
const simple = (more) => ({ responseSize: LARGE_RESPONSE, payload: payload(LARGE_REQUEST), ...more });
const output = (size, responseSize) =>
  ({ payload: payload(size), responseParameters: [{ size: responseSize }] });
const options = { timeoutMs: 30000 };

function service(descriptors, name, more = {}) {
  const set = fromBinary(FileDescriptorSetSchema, fs.readFileSync(descriptors));
  return createClient(createFileRegistry(set).getService(name), createGrpcTransport({ ...endpoint(), ...more }));
}

function endpoint() {
  const [, scheme, address] = /^(tls:|unix:|)(.*)$/.exec(target);
  if (scheme === 'unix:') {
    return { baseUrl: 'http://localhost', nodeOptions: { createConnection: () => net.connect(address) } };
  }
  if (scheme === '') {
    return { baseUrl: `http://${address}` };
  }
  const read = (name) => fs.readFileSync(path.join(folder, name));
  return {
    baseUrl: `https://${address}`,
    nodeOptions: { ca: read('ca.pem'), cert: read('client.pem'), key: read('client.key') },
  };
}

const TEST = path.join(__dirname, 'test.binpb');
const client = service(TEST, 'grpc.testing.TestService');
const gzipped = service(TEST, 'grpc.testing.TestService', { sendCompression: compressionGzip });

const bytes = ({ payload: { body } }) => body.length;
const one = async function* one(message) { yield message; };

async function fails(promise, code, details) {
  await assert.rejects(promise, (error) => {
    assert.equal(Code[error.code], Code[code]);
    if (details !== undefined) {
      assert.equal(error.rawMessage, details);
    }
    return true;
  });
}

async function all(stream) {
  const messages = [];
  for await (const message of stream) {
    messages.push(message);
  }
  return messages;
}

async function status(message) {
  const asked = { responseStatus: { code: Code.Unknown, message } };
  await fails(client.unaryCall(simple(asked), options), Code.Unknown, message);
  await fails(all(client.fullDuplexCall(one(asked), options)), Code.Unknown, message);
}

const INITIAL = 'x-grpc-test-echo-initial';
const TRAILING = 'x-grpc-test-echo-trailing-bin';

async function checkEchoed(call) {
  const sent = Buffer.from('ababab', 'hex');
  const seen = {};
  await call({
    ...options,
    headers: { [INITIAL]: 'test_initial_metadata_value', [TRAILING]: encodeBinaryHeader(sent) },
    onHeader: (headers) => { seen.initial = headers.get(INITIAL); },
    onTrailer: (trailers) => { seen.trailing = trailers.get(TRAILING); },
  });
  assert.equal(seen.initial, 'test_initial_metadata_value');
  assert.deepEqual(Buffer.from(decodeBinaryHeader(seen.trailing)), sent);
}

const cases = {
  async empty_unary() {
    await client.emptyCall({}, options);
  },
  async large_unary() {
    assert.equal(bytes(await client.unaryCall(simple(), options)), LARGE_RESPONSE);
  },
  async client_streaming() {
    async function* requests() {
      yield* REQUESTS.map((size) => ({ payload: payload(size) }));
    }
    const sum = await client.streamingInputCall(requests(), options);
    assert.equal(sum.aggregatedPayloadSize, 74922);
  },
  async server_streaming() {
    const request = { responseParameters: RESPONSES.map((size) => ({ size })) };
    assert.deepEqual((await all(client.streamingOutputCall(request, options))).map(bytes), RESPONSES);
  },
  async ping_pong() {
    const requests = createWritableIterable();
    let n = 0;
    requests.write(output(REQUESTS[0], RESPONSES[0]));
    for await (const message of client.fullDuplexCall(requests, options)) {
      assert.equal(bytes(message), RESPONSES[n]);
      n++;
      if (n < REQUESTS.length) {
        requests.write(output(REQUESTS[n], RESPONSES[n]));
      } else {
        requests.close();
      }
    }
    assert.equal(n, RESPONSES.length);
  },
  async empty_stream() {
    async function* none() {}
    assert.deepEqual(await all(client.fullDuplexCall(none(), options)), []);
  },
  async client_compressed_unary() {
    // Does the server look at all?
    await fails(client.unaryCall(simple({ expectCompressed: true }), options), Code.InvalidArgument);
    for (const gzip of [true, false]) {
      const answer = await (gzip ? gzipped : client).unaryCall(simple({ expectCompressed: gzip }), options);
      assert.equal(bytes(answer), LARGE_RESPONSE);
    }
  },
  async server_compressed_unary() {
    for (const responseCompressed of [true, false]) {
      assert.equal(bytes(await client.unaryCall(simple({ responseCompressed }), options)), LARGE_RESPONSE);
    }
  },
  async custom_metadata() {
    await checkEchoed((more) => client.unaryCall(simple(), more));
    await checkEchoed((more) => all(client.fullDuplexCall(one(output(1, 1)), more)));
  },
  async status_code_and_message() {
    await status('test status message');
  },
  async special_status_message() {
    await status('\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \u{1f608}\t\n');
  },
  async unimplemented_method() {
    await fails(client.unimplementedCall({}, options), Code.Unimplemented);
  },
  async unimplemented_service() {
    const other = service(TEST, 'grpc.testing.UnimplementedService');
    await fails(other.unimplementedCall({}, options), Code.Unimplemented);
  },
  async cancel_after_begin() {
    const cancel = new AbortController();
    const answer = client.streamingInputCall(createWritableIterable(), { ...options, signal: cancel.signal });
    cancel.abort();
    await fails(answer, Code.Canceled);
  },
  async cancel_after_first_response() {
    const cancel = new AbortController();
    const requests = createWritableIterable();
    requests.write(output(REQUESTS[0], RESPONSES[0]));
    let n = 0;
    await fails((async () => {
      for await (const message of client.fullDuplexCall(requests, { ...options, signal: cancel.signal })) {
        assert.equal(bytes(message), RESPONSES[0]);
        n++;
        cancel.abort();
      }
    })(), Code.Canceled);
    assert.equal(n, 1);
  },
  async timeout_on_sleeping_server() {
    const requests = createWritableIterable();
    requests.write({ payload: payload(REQUESTS[0]) });
    await fails(all(client.fullDuplexCall(requests, { timeoutMs: 1 })), Code.DeadlineExceeded);
  },
};

// A session's output to its end, while the client has not said that it is done; tests/interop/attach_test.sh
// has the command.
async function attach(sessions) {
  const requests = createWritableIterable();
  requests.write({ frame: { case: 'open', value: { session } } });
  const got = { 1: 0, 2: 0 };
  let code;
  for await (const { frame } of sessions.attach(requests, options)) {
    if (frame.case === 'data') {
      got[frame.value.stream] += frame.value.data.length;
    } else if (frame.case === 'exit') {
      code = frame.value.exit.kind.value;
    }
  }
  requests.close();
  assert.deepEqual({ ...got, code }, { 1: 300000, 2: 8, code: 42 });
}

async function attachTimes() {
  const sessions = service(process.env.BANGER_DESCRIPTORS, 'banger.v1.GuestSessionService');
  for (let i = 0; i < times; i++) {
    await attach(sessions);
  }
}

async function main() {
  for (const [name, run] of Object.entries(session ? { attach: attachTimes } : cases)) {
    try {
      await run();
      console.log('ok', name);
    } catch (error) {
      process.exitCode = 1;
      console.log(`FAIL ${name}: ${String(error.message).replace(/\n/g, ' ')}`);
    }
  }
  process.exit(); // connect-node keeps idle connections
}

main();
