/** grpc.health.v1: is the agent behind this socket well? */
import { status, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js'
import type { ServerWritableStream } from '@grpc/grpc-js'
import type { HealthCheckRequest, HealthCheckResponse } from '../../proto/control.gen.js'
import type { Clock } from '../clock.ts'

export const serving = { SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const

/** How soon a watcher hears of a change. */
const period_ms = 1000

export interface HealthOptions {
  /** Full names that can be asked for; '' (the server) always can. */
  readonly services: readonly string[]
  readonly isServing: () => boolean
  readonly clock: Clock
}

/** Handlers for grpc-js. */
export function healthHandlers(options: HealthOptions) {
  const known = new Set(['', ...options.services])
  const statusOf = (service: string): number => {
    if (!known.has(service)) return serving.SERVICE_UNKNOWN
    return options.isServing() ? serving.SERVING : serving.NOT_SERVING
  }
  return {
    Check: (
      call: ServerUnaryCall<HealthCheckRequest, HealthCheckResponse>,
      callback: sendUnaryData<HealthCheckResponse>,
    ): void => {
      const { service } = call.request
      if (known.has(service)) callback(null, { status: statusOf(service) })
      else callback({ code: status.NOT_FOUND, details: `no service ${service} here` })
    },
    Watch: (call: ServerWritableStream<HealthCheckRequest, HealthCheckResponse>): void => {
      let told = -1
      let stop = (): void => undefined
      const look = (): void => {
        const now = statusOf(call.request.service)
        if (now !== told) call.write({ status: now })
        told = now
        stop = options.clock.after(period_ms, look)
      }
      call.on('cancelled', () => {
        stop()
        call.end()
      })
      call.on('error', () => stop())
      look()
    },
  }
}
