// gRPC's interop cases by grpc-js, against any interop test server.
//
// usage: interop_client.js PKI_FOLDER TARGET
//
// TARGET: HOST:PORT (without TLS), tls:HOST:PORT (mutual) or unix:PATH. Prints "ok CASE" or "FAIL CASE:
// why"; the .proto files are read on the spot.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [folder, target] = process.argv.slice(2);
const protos = path.join(__dirname, '../grpc/proto');
const { testing } = grpc.loadPackageDefinition(
  loader.loadSync('test.proto', { includeDirs: [protos], keepCase: true })).grpc;

const GZIP = 2; // grpc.compressionAlgorithms.gzip
const LARGE_REQUEST = 271828;
const LARGE_RESPONSE = 314159;
const REQUESTS = [27182, 8, 1828, 45904];
const RESPONSES = [31415, 9, 2653, 58979];

const payload = (size) => ({ body: Buffer.alloc(size) });
const simple = (more) => ({ response_size: LARGE_RESPONSE, payload: payload(LARGE_REQUEST), ...more });
const output = (size, responseSize) =>
  ({ payload: payload(size), response_parameters: [{ size: responseSize }] });
const options = () => ({ deadline: Date.now() + 30000 });

function credentials() {
  const read = (name) => fs.readFileSync(path.join(folder, name));
  return target.startsWith('tls:')
    ? grpc.credentials.createSsl(read('ca.pem'), read('client.key'), read('client.pem'))
    : grpc.credentials.createInsecure();
}

const address = target.replace(/^tls:/, '');
const client = new testing.TestService(address, credentials());
const gzipped = new testing.TestService(address, credentials(),
  { 'grpc.default_compression_algorithm': GZIP });

// The answer of a unary or client-streaming call; rejected with its status.
function answer(start) {
  return new Promise((resolve, reject) => {
    start((error, response) => (error ? reject(error) : resolve(response)));
  });
}

const unary = (c, request, more = {}) =>
  answer((done) => c.UnaryCall(request, more.metadata || new grpc.Metadata(), options(), done));

async function fails(promise, code, details) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.code, code);
    if (details !== undefined) {
      assert.equal(error.details, details);
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
  const asked = { response_status: { code: grpc.status.UNKNOWN, message } };
  await fails(unary(client, simple(asked)), grpc.status.UNKNOWN, message);
  const call = client.FullDuplexCall(options());
  call.end(asked);
  await fails(all(call), grpc.status.UNKNOWN, message);
}

const INITIAL = 'x-grpc-test-echo-initial';
const TRAILING = 'x-grpc-test-echo-trailing-bin';

async function checkEchoed(start) {
  const metadata = new grpc.Metadata();
  metadata.set(INITIAL, 'test_initial_metadata_value');
  metadata.set(TRAILING, Buffer.from('ababab', 'hex'));
  const call = start(metadata);
  const initial = new Promise((resolve) => call.on('metadata', resolve));
  const ended = new Promise((resolve) => call.on('status', resolve));
  assert.deepEqual((await initial).get(INITIAL), ['test_initial_metadata_value']);
  const end = await ended;
  assert.equal(end.code, grpc.status.OK);
  assert.deepEqual(end.metadata.get(TRAILING), [Buffer.from('ababab', 'hex')]);
}

const cases = {
  async empty_unary() {
    assert.deepEqual(await answer((done) => client.EmptyCall({}, options(), done)), {});
  },
  async large_unary() {
    assert.equal((await unary(client, simple())).payload.body.length, LARGE_RESPONSE);
  },
  async client_streaming() {
    const sum = await answer((done) => {
      const call = client.StreamingInputCall(options(), done);
      REQUESTS.forEach((size) => call.write({ payload: payload(size) }));
      call.end();
    });
    assert.equal(sum.aggregated_payload_size, 74922);
  },
  async server_streaming() {
    const request = { response_parameters: RESPONSES.map((size) => ({ size })) };
    const messages = await all(client.StreamingOutputCall(request, options()));
    assert.deepEqual(messages.map((m) => m.payload.body.length), RESPONSES);
  },
  async ping_pong() {
    const call = client.FullDuplexCall(options());
    let n = 0;
    call.write(output(REQUESTS[0], RESPONSES[0]));
    for await (const message of call) {
      assert.equal(message.payload.body.length, RESPONSES[n]);
      n++;
      if (n < REQUESTS.length) {
        call.write(output(REQUESTS[n], RESPONSES[n]));
      } else {
        call.end();
      }
    }
    assert.equal(n, RESPONSES.length);
  },
  async empty_stream() {
    const call = client.FullDuplexCall(options());
    call.end();
    assert.deepEqual(await all(call), []);
  },
  async client_compressed_unary() {
    // Does the server look at all?
    await fails(unary(client, simple({ expect_compressed: { value: true } })), grpc.status.INVALID_ARGUMENT);
    for (const gzip of [true, false]) {
      const r = await unary(gzip ? gzipped : client, simple({ expect_compressed: { value: gzip } }));
      assert.equal(r.payload.body.length, LARGE_RESPONSE);
    }
  },
  async server_compressed_unary() {
    for (const value of [true, false]) {
      const r = await unary(client, simple({ response_compressed: { value } }));
      assert.equal(r.payload.body.length, LARGE_RESPONSE);
    }
  },
  async custom_metadata() {
    await checkEchoed((metadata) => client.UnaryCall(simple(), metadata, options(), () => {}));
    await checkEchoed((metadata) => {
      const call = client.FullDuplexCall(metadata, options());
      call.on('data', () => {});
      call.end(output(1, 1));
      return call;
    });
  },
  async status_code_and_message() {
    await status('test status message');
  },
  async special_status_message() {
    await status('\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \u{1f608}\t\n');
  },
  async unimplemented_method() {
    await fails(answer((done) => client.UnimplementedCall({}, options(), done)), grpc.status.UNIMPLEMENTED);
  },
  async unimplemented_service() {
    const other = new testing.UnimplementedService(address, credentials());
    await fails(answer((done) => other.UnimplementedCall({}, options(), done)), grpc.status.UNIMPLEMENTED);
    other.close();
  },
  async cancel_after_begin() {
    await fails(answer((done) => client.StreamingInputCall(options(), done).cancel()), grpc.status.CANCELLED);
  },
  async cancel_after_first_response() {
    const call = client.FullDuplexCall(options());
    call.write(output(REQUESTS[0], RESPONSES[0]));
    let n = 0;
    call.on('data', () => {
      n++;
      call.cancel();
    });
    const error = await new Promise((resolve) => call.on('error', resolve));
    assert.equal(error.code, grpc.status.CANCELLED);
    assert.equal(n, 1);
  },
  async timeout_on_sleeping_server() {
    const call = client.FullDuplexCall({ deadline: Date.now() + 1 });
    call.on('data', () => {});
    call.write({ payload: payload(REQUESTS[0]) });
    const error = await new Promise((resolve) => call.on('error', resolve));
    assert.equal(error.code, grpc.status.DEADLINE_EXCEEDED);
  },
};

async function main() {
  for (const [name, run] of Object.entries(cases)) {
    try {
      await run();
      console.log('ok', name);
    } catch (error) {
      process.exitCode = 1;
      console.log(`FAIL ${name}: ${String(error.message).replace(/\n/g, ' ')}`);
    }
  }
  client.close();
  gzipped.close();
  // grpc-js keeps the deadline's timer of a call that was cancelled before it left.
  process.exit();
}

main();
