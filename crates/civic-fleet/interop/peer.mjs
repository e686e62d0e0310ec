// A service of the platform: NestJS on Fastify with the guard, the envelope, the exception filter,
// correlation, the rate limit and shutdown hooks, put together in the platform's order.
//
//   JWT_SECRET            the platform's secret. Required
//   CIVIC_PAYLOADS        the folder with the Rust service's payloads. Required
//   PORT                  the port. Defaults to 0, a free one
//   RATE_LIMIT_MAX        requests per window and source address. Defaults to 100
//   RATE_LIMIT_WINDOW_MS  the window. Defaults to 60000
//   DIALECTS              exception filters, separated by commas; one application and port for each.
//                         platform (the default), default, documented, message, error, errors
//
// `{"event":"listening","ports":{"platform":N},"versions":{...}}` says that it answers. The command
// `stats` tells how many requests have reached it, how often it answered with which status, and the
// correlation ids that it was sent last.

import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import cookie from '@fastify/cookie';
import rateLimit from '@fastify/rate-limit';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';

import { EffectsController } from './effects.mjs';
import { ErrorsController } from './errors.mjs';
import { emit, number, required, serveCommands } from './lines.mjs';
import {
  AuthGuard,
  CorrelationInterceptor,
  DocumentedExceptionFilter,
  EnvelopeInterceptor,
  PlatformExceptionFilter,
  wholeUnder,
} from './platform.mjs';
import { relayController } from './relay.mjs';
import { rollController } from './roll.mjs';

const secret = required('JWT_SECRET');
const RollController = rollController(required('CIVIC_PAYLOADS'));
const RelayController = relayController(secret);
const port = number('PORT', 0);
const max = number('RATE_LIMIT_MAX', 100);
const timeWindow = number('RATE_LIMIT_WINDOW_MS', 60_000);
const dialects = (process.env.DIALECTS ?? 'platform').split(',');

const filters = {
  platform: () => new PlatformExceptionFilter(),
  default: () => null,
  documented: () => new DocumentedExceptionFilter(),
  message: () => new (wholeUnder('message'))(),
  error: () => new (wholeUnder('error'))(),
  errors: () => new (wholeUnder('errors'))(),
};

/** How many correlation ids are remembered. */
const REMEMBERED = 32;

const stats = { requests: 0, answers: {}, correlationIds: [] };

/** Says when shutdown has begun: the listener still answers as if nothing were. */
class Shutdown {
  beforeApplicationShutdown(signal) {
    emit({ event: 'stopping', signal: signal ?? null });
  }
}

const logger = Object.fromEntries(
  ['fatal', 'error', 'warn'].map((level) => [
    level,
    (...words) => process.stderr.write(`${level}: ${words.join(' ')}\n`),
  ]),
);
logger.log = logger.debug = logger.verbose = () => {};

async function start(dialect) {
  const filter = filters[dialect];
  if (!filter) {
    throw new Error(`there is no dialect ${JSON.stringify(dialect)}`);
  }
  class AppModule {}
  Module({
    controllers: [RollController, RelayController, EffectsController, ErrorsController],
    providers: [Shutdown],
  })(AppModule);
  const app = await NestFactory.create(AppModule, new FastifyAdapter(), { logger });
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', async (request) => {
    stats.requests += 1;
    stats.correlationIds.push(request.headers['x-correlation-id'] ?? null);
    stats.correlationIds.splice(0, stats.correlationIds.length - REMEMBERED);
  });
  fastify.addHook('onResponse', async (_, reply) => {
    stats.answers[reply.statusCode] = (stats.answers[reply.statusCode] ?? 0) + 1;
  });
  await app.register(cookie);
  await app.register(rateLimit, { max, timeWindow });
  app.setGlobalPrefix('api/assessment-roll');
  app.useGlobalGuards(new AuthGuard(secret));
  app.useGlobalInterceptors(new CorrelationInterceptor(), new EnvelopeInterceptor());
  const global = filter();
  if (global) {
    app.useGlobalFilters(global);
  }
  app.enableShutdownHooks();
  await app.listen(port, '127.0.0.1');
  return app.getHttpServer().address().port;
}

/** The version of an installed package, read from its folder: not every package exports its manifest. */
function version(name) {
  const require = createRequire(import.meta.url);
  for (let folder = dirname(require.resolve(name)); ; folder = dirname(folder)) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      if (manifest.name === name) {
        return manifest.version;
      }
    } catch (error) {
      if (error.code !== 'ENOENT' || folder === dirname(folder)) {
        throw error;
      }
    }
  }
}

serveCommands({ stats: () => stats });
const ports = {};
for (const dialect of dialects) {
  ports[dialect] = await start(dialect);
}
emit({
  event: 'listening',
  ports,
  versions: {
    node: process.version,
    nest: version('@nestjs/core'),
    rateLimit: version('@fastify/rate-limit'),
  },
});
