/** The oracle of the cluster tests against cases worked out by hand from kube-proxy-behaviour. */
import { expect, test } from 'vitest'
import {
  type KubeObject,
  differences,
  expectedFrontends,
  withoutAnyPort,
} from '../../support/oracle.ts'

const node: KubeObject = {
  kind: 'Node',
  metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': 'a' } },
}
const service = (spec: object = {}, labels: Record<string, string> = {}): KubeObject => ({
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default', labels },
  spec: { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ports: [{ port: 80 }], ...spec },
})
const slice = (endpoints: object[], labels: Record<string, string> = {}): KubeObject =>
  ({
    kind: 'EndpointSlice',
    metadata: {
      name: 'web-a',
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': 'web', ...labels },
    },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080 }],
    endpoints,
  }) as KubeObject
const web = (...objects: KubeObject[]) =>
  expectedFrontends([node, ...objects], 'n1').get('10.96.0.1:80/TCP')

test('ready endpoints serve, those of this node are local', () => {
  const endpoints = [{ addresses: ['10.0.0.2'] }, { addresses: ['10.0.0.1'], nodeName: 'n1' }]
  expect(web(service(), slice(endpoints))).toMatchObject({
    cluster: ['10.0.0.1:8080', '10.0.0.2:8080'],
    local: ['10.0.0.1:8080'],
  })
})

test('terminating endpoints serve only while none is ready (C1)', () => {
  const last = { addresses: ['10.0.0.1'], conditions: { ready: false, terminating: true } }
  const ready = { addresses: ['10.0.0.2'] }
  expect(web(service(), slice([last]))?.cluster).toEqual(['10.0.0.1:8080'])
  expect(web(service(), slice([last, ready]))?.cluster).toEqual(['10.0.0.2:8080'])
})

test('zone hints count only if every ready endpoint has them (C2)', () => {
  const hinted = (address: string, zone: string) => ({
    addresses: [address],
    hints: { forZones: [{ name: zone }] },
  })
  const both = [hinted('10.0.0.1', 'a'), hinted('10.0.0.2', 'b')]
  expect(web(service(), slice(both))?.cluster).toEqual(['10.0.0.1:8080'])
  const mixed = [...both, { addresses: ['10.0.0.3'] }]
  expect(web(service(), slice(mixed))?.cluster).toHaveLength(3)
})

test("headless, another proxy's and a headless slice's are left out (O1-O3)", () => {
  expect(web(service({ clusterIP: 'None', clusterIPs: ['None'] }))).toBeUndefined()
  expect(web(service({}, { 'service.kubernetes.io/service-proxy-name': 'x' }))).toBeUndefined()
  const headless = slice([{ addresses: ['10.0.0.1'] }], { 'service.kubernetes.io/headless': '' })
  expect(web(service(), headless)?.cluster).toEqual([])
})

test('differences names what is missing, different and too much', () => {
  const wanted = expectedFrontends([node, service(), slice([{ addresses: ['10.0.0.1'] }])], 'n1')
  const found = new Map(wanted)
  const [[name, one] = ['', undefined]] = [...wanted]
  expect(differences(wanted, found)).toEqual([])
  expect(withoutAnyPort(wanted, found)).toEqual(['10.96.0.1'])
  if (one !== undefined) found.set('10.96.0.1 any port', one).set('10.96.0.9:80/TCP', one)
  expect(withoutAnyPort(wanted, found)).toEqual([])
  expect(differences(wanted, found)).toEqual(['10.96.0.9:80/TCP: not expected'])
  found.delete(name)
  expect(differences(wanted, found)).toContain('10.96.0.1:80/TCP: missing')
})
