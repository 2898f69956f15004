/** /v1/…: the calls of the control API as JSON, for curl. The same documents as `-o json`. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { FairleadError, reasonOf } from '../errors.ts'
import { document } from './document.ts'
import { dumpMap, getService } from './queries.ts'
import { everything, type ServiceFilter, type View } from './view.ts'

const filterSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    namespace: { type: 'string', maxLength: 63 },
    name: { type: 'string', maxLength: 253 },
    id: { type: 'integer', minimum: 1, maximum: 2 ** 32 - 1 },
    frontend: { type: 'string', maxLength: 64 },
  },
} as const

type Filtered = { Querystring: Partial<ServiceFilter> }
type Named = { Params: { namespace: string; name: string } }

const filterOf = (request: FastifyRequest<Filtered>): ServiceFilter => ({
  ...everything,
  ...request.query,
})

function refuse(reply: FastifyReply, error: unknown): FastifyReply {
  const code = error instanceof FairleadError ? error.code : 'INTERNAL'
  const remedy = error instanceof FairleadError ? error.remedy : ''
  const rejected = error as { statusCode?: number }
  const http = code === 'NOT_FOUND' ? 404 : (rejected.statusCode ?? 500)
  return reply.code(http).send(document('Error', { code, message: reasonOf(error), remedy }))
}

export function addTwins(app: FastifyInstance, view: View): void {
  const filtered = { schema: { querystring: filterSchema } }
  app.setErrorHandler((error, _request, reply) => refuse(reply, error))
  app.setNotFoundHandler((request, reply) =>
    refuse(
      reply,
      new FairleadError('NOT_FOUND', `GET ${request.url}: no such page`, 'see proto/control.proto'),
    ),
  )
  app.get('/v1/status', async () => document('Status', await view.status()))
  app.get<Filtered>('/v1/services', filtered, async (request) =>
    document('ServiceList', { services: await view.services(filterOf(request)) }),
  )
  app.get<Named>('/v1/services/:namespace/:name', async (request) => {
    const { namespace, name } = request.params
    return document('Service', await getService(view, { ...everything, namespace, name }))
  })
  app.get<Filtered>('/v1/backends', filtered, async (request) =>
    document('BackendList', { backends: await view.backends(filterOf(request)) }),
  )
  app.get<Filtered>('/v1/affinity', filtered, async (request) =>
    document('AffinityList', { affinity: await view.affinity(filterOf(request)) }),
  )
  app.get('/v1/maps', async () => document('MapList', { maps: await view.mapList() }))
  app.get<{ Params: { name: string } }>('/v1/maps/:name', async (request) => {
    return document('Map', await dumpMap(view, request.params.name))
  })
  app.get('/v1/bypass', async () => document('Bypass', await view.bypass()))
}
