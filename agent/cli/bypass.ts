/** `fairlead bypass on|off|status`: works on the pins, agent or no agent. */
import { printDocument, type Context } from './context.ts'
import { exitCodes } from './report.ts'

async function tell(context: Context, isOn: boolean): Promise<number> {
  const { io, flags, paint } = context
  if (flags.output === 'json') await printDocument(context, 'Bypass', { isOn })
  else if (isOn) await io.out(`bypass is ${paint('yellow', 'on')}: nothing new is translated\n`)
  else await io.out(`bypass is ${paint('green', 'off')}\n`)
  return exitCodes.ok
}

export function switchBypass(isOn: boolean): (context: Context) => Promise<number> {
  return async (context) => {
    const { setBypass } = await context.io.doors.bypass()
    await setBypass(context.flags.bpffs, isOn)
    return tell(context, isOn)
  }
}

export async function showBypass(context: Context): Promise<number> {
  const { getBypass } = await context.io.doors.bypass()
  return tell(context, await getBypass(context.flags.bpffs))
}
