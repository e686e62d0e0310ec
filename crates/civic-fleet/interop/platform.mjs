// The parts that every Node service of the platform has, as the platform writes them: the guard, the
// response envelope, the exception filter and the correlation interceptor.
//
// Plain JavaScript: decorators are called as functions, so that nothing has to be compiled.

import 'reflect-metadata';
import { randomUUID } from 'node:crypto';

import {
  Catch,
  ForbiddenException,
  HttpException,
  HttpStatus,
  SetMetadata,
  UnauthorizedException,
} from '@nestjs/common';
import jwt from 'jsonwebtoken';
import { map, tap } from 'rxjs';

const PUBLIC = 'public';
const ROLES = 'roles';
const SKIP_ENVELOPE = 'skipEnvelope';

/** The levels of the platform's roles. */
const LEVELS = {
  READ_ONLY: 0,
  AUDITOR: 0,
  COUNTER_STAFF: 1,
  TAX_CLERK: 1,
  ASSESSOR: 2,
  COLLECTIONS_OFFICER: 2,
  FINANCE_OFFICER: 3,
  TAX_MANAGER: 4,
  TREASURER: 5,
  SYSTEM_ADMIN: 6,
  SERVICE_ACCOUNT: 7,
};

export const Public = () => SetMetadata(PUBLIC, true);
export const Roles = (...roles) => SetMetadata(ROLES, roles);
export const SkipEnvelope = () => SetMetadata(SKIP_ENVELOPE, true);

/** The member of a header that may be sent more than once: Node keeps the first. */
function correlationIdOf(request) {
  request.correlationId ??= request.headers['x-correlation-id'] ?? randomUUID();
  return request.correlationId;
}

function isMarked(context, key) {
  return (
    Reflect.getMetadata(key, context.getHandler()) ?? Reflect.getMetadata(key, context.getClass())
  );
}

/** Admits a request with a token that npm `jsonwebtoken` verifies, and a role that is high enough. */
export class AuthGuard {
  #secret;

  constructor(secret) {
    this.#secret = secret;
  }

  canActivate(context) {
    if (isMarked(context, PUBLIC)) {
      return true;
    }
    const request = context.switchToHttp().getRequest();
    const [scheme, bearer] = (request.headers.authorization ?? '').split(' ');
    const token = scheme === 'Bearer' ? bearer : request.cookies?.app_access_token;
    if (!token) {
      throw new UnauthorizedException('Missing authentication token');
    }
    try {
      request.user = jwt.verify(token, this.#secret);
    } catch {
      throw new UnauthorizedException('Invalid or expired token');
    }
    const required = isMarked(context, ROLES);
    if (required && !(LEVELS[request.user.role] >= Math.min(...required.map((r) => LEVELS[r])))) {
      throw new ForbiddenException('Insufficient role permissions');
    }
    return true;
  }
}

/** Puts the correlation id of a request on its answer. */
export class CorrelationInterceptor {
  intercept(context, next) {
    const http = context.switchToHttp();
    const id = correlationIdOf(http.getRequest());
    return next.handle().pipe(tap(() => http.getResponse().header('X-Correlation-Id', id)));
  }
}

/** Wraps what a handler returns. */
export class EnvelopeInterceptor {
  intercept(context, next) {
    if (isMarked(context, SKIP_ENVELOPE)) {
      return next.handle();
    }
    return next
      .handle()
      .pipe(map((data) => ({ success: true, data, timestamp: new Date().toISOString() })));
  }
}

/** The status and the words of what was thrown: by Nest, by a plugin of Fastify, or by a defect. */
function read(exception) {
  if (exception instanceof HttpException) {
    return [exception.getStatus(), exception.getResponse()];
  }
  // The rate limit throws such an error. A filter without this branch answers 500 in its place.
  const { statusCode } = exception ?? {};
  return statusCode >= 400 && statusCode < 500
    ? [statusCode, exception.message]
    : [HttpStatus.INTERNAL_SERVER_ERROR, {}];
}

/** The platform's error shape. */
export class PlatformExceptionFilter {
  catch(exception, host) {
    const http = host.switchToHttp();
    const [statusCode, said] = read(exception);
    const message = typeof said === 'string' ? said : said.message;
    http
      .getResponse()
      .status(statusCode)
      .send({
        statusCode,
        message: Array.isArray(message) ? message.join(', ') : (message ?? 'Internal server error'),
        ...(said.details ? { error: said.error, details: said.details } : {}),
        correlationId: correlationIdOf(http.getRequest()),
        timestamp: new Date().toISOString(),
      });
  }
}

/** The filter of Nest's own documentation: status, time and path, and no words. */
export class DocumentedExceptionFilter {
  catch(exception, host) {
    const http = host.switchToHttp();
    const statusCode = exception.getStatus();
    http.getResponse().status(statusCode).send({
      statusCode,
      timestamp: new Date().toISOString(),
      path: http.getRequest().url,
    });
  }
}

/** Filters that put everything that was thrown under one member: `message`, `error` or `errors`. */
export function wholeUnder(member) {
  return class {
    catch(exception, host) {
      const http = host.switchToHttp();
      const isHttp = exception instanceof HttpException;
      const statusCode = isHttp ? exception.getStatus() : HttpStatus.INTERNAL_SERVER_ERROR;
      const said = isHttp ? exception.getResponse() : 'Internal server error';
      const whole = member === 'errors' ? [said.message ?? said].flat() : said;
      http.getResponse().status(statusCode).send({
        statusCode,
        timestamp: new Date().toISOString(),
        path: http.getRequest().url,
        [member]: whole,
      });
    }
  };
}

Catch()(PlatformExceptionFilter);
Catch(HttpException)(DocumentedExceptionFilter);

/** Applies decorators to a method, and to its parameters in their order. */
export function route(target, method, decorators, parameters = []) {
  const descriptor = Object.getOwnPropertyDescriptor(target.prototype, method);
  for (const decorator of decorators) {
    decorator(target.prototype, method, descriptor);
  }
  parameters.forEach((decorator, index) => decorator(target.prototype, method, index));
}
