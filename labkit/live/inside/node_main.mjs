// The Node.js runtime of the lab: loads the handler and speaks AWS's Runtime API (2018-06-01).
import http from 'node:http';
import path from 'node:path';
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { createRequire } from 'node:module';
import util from 'node:util';

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
let requestId = '';

function call(method, route, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, agent, method, path: `/2018-06-01/runtime/${route}`, headers }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(parts) }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

const errorObject = (error) => (error instanceof Error
  ? { errorType: error.name, errorMessage: error.message, trace: (error.stack || '').split('\n') }
  : { errorType: typeof error, errorMessage: String(error), trace: [] });

const fault = (type, message) => Object.assign(new Error(message), { name: type });

function report(route, error) {
  const object = errorObject(error);
  process.stdout.write(`${new Date().toISOString()}\t${requestId || 'undefined'}\tERROR\t${route === 'init/error' ? 'Uncaught Exception' : 'Invoke Error'} \t${JSON.stringify({ errorType: object.errorType, errorMessage: object.errorMessage, stack: object.trace })}\n`);
  return call('POST', route, JSON.stringify(object), { 'Content-Type': 'application/json', 'Lambda-Runtime-Function-Error-Type': object.errorType });
}

for (const [method, level] of [['log', 'INFO'], ['info', 'INFO'], ['debug', 'DEBUG'], ['warn', 'WARN'], ['error', 'ERROR'], ['trace', 'TRACE']]) {
  console[method] = (...values) => {
    const text = util.format(...values).replaceAll('\n', '\r');
    process.stdout.write(`${new Date().toISOString()}\t${requestId || 'undefined'}\t${level}\t${text}\n`);
  };
}

async function load(handler) {
  const cut = handler.lastIndexOf('.');
  if (cut < 1) throw fault('Runtime.MalformedHandlerName', `Bad handler '${handler}'`);
  const [file, name] = [handler.slice(0, cut), handler.slice(cut + 1)];
  const base = path.resolve(process.env.LAMBDA_TASK_ROOT, file);
  const found = ['', '.js', '.mjs', '.cjs'].map((end) => base + end).find((place) => existsSync(place) && path.extname(place));
  if (!found) throw fault('Runtime.ImportModuleError', `Error: Cannot find module '${file}'\nRequire stack:\n- /var/runtime/index.mjs`);
  let module;
  try {
    module = found.endsWith('.mjs') ? await import(pathToFileURL(found)) : createRequire(pathToFileURL(found))(found);
  } catch (error) {
    if (error.code === 'ERR_REQUIRE_ESM') module = await import(pathToFileURL(found));
    else if (error instanceof SyntaxError) throw fault('Runtime.UserCodeSyntaxError', `${error.name}: ${error.message}`);
    else if (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND') throw fault('Runtime.ImportModuleError', `Error: ${error.message}`);
    else throw error;
  }
  const target = module[name] ?? module.default?.[name];
  if (typeof target !== 'function') throw fault('Runtime.HandlerNotFound', `${handler} is undefined or not exported`);
  return target;
}

function contextOf(headers) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const environ = process.env;
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: environ.AWS_LAMBDA_FUNCTION_VERSION, functionName: environ.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: environ.AWS_LAMBDA_FUNCTION_MEMORY_SIZE, logGroupName: environ.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: environ.AWS_LAMBDA_LOG_STREAM_NAME, invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: requestId,
    clientContext: headers['lambda-runtime-client-context'] ? JSON.parse(headers['lambda-runtime-client-context']) : undefined,
    getRemainingTimeInMillis: () => Math.max(deadline - Date.now(), 0),
  };
}

const run = (handler, event, context) => new Promise((resolve, reject) => {
  const done = (error, value) => (error ? reject(error) : resolve(value));
  const answer = handler(event, context, done);
  if (answer && typeof answer.then === 'function') answer.then(resolve, reject);
  else if (handler.length < 3) resolve(answer);
});

let handler;
try {
  handler = await load(process.env._HANDLER);
} catch (error) {
  await report('init/error', error);
  process.exit(1);
}
for (;;) {
  const next = await call('GET', 'invocation/next');
  requestId = next.headers['lambda-runtime-aws-request-id'];
  process.env._X_AMZN_TRACE_ID = next.headers['lambda-runtime-trace-id'] ?? '';
  try {
    const value = await run(handler, JSON.parse(next.body), contextOf(next.headers));
    await call('POST', `invocation/${requestId}/response`, JSON.stringify(value) ?? 'null', { 'Content-Type': 'application/json' });
  } catch (error) {
    await report(`invocation/${requestId}/error`, error);
  }
}
