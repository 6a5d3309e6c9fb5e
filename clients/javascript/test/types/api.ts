// Never run: tsc holds the declarations to what a program writes.

import { Client, Disconnected, Refused, TickloomError } from 'tickloom-client';
import type { Bar, ClientOptions, Gap, MarketData, Message, State } from 'tickloom-client';

const client = new Client('ws://localhost:8000', {
    apiKey: async () => 'secret',
    onState: ({ state, error }: State) => console.log(state, error?.code),
    onGap: (gap: Gap) => console.log(gap.symbol, gap.dropped, gap.origin),
    onError: (error) => console.log(error instanceof TickloomError, error.message),
});

export async function numbers(): Promise<number> {
    for await (const tick of client.stream(['AAPL', 'SIM.*'], { intervalMs: 1_000, fields: ['bid'] })) {
        const { symbol, sequence, skipped, data }: MarketData = tick;
        const price: number = data.current_price;
        const bid: number | undefined = data.bid;
        console.log(symbol.toLowerCase(), sequence + (skipped ?? 0), price, bid?.toFixed(2));
        // @ts-expect-error - there is no such field.
        console.log(data.price);
        return price;
    }
    return 0;
}

export async function texts(): Promise<string> {
    const exact = new Client(new URL('ws://localhost:8000'), { prices: 'string' });
    const result = await exact.stream('AAPL').next();
    if (result.done) {
        return '';
    }
    const volume: number | undefined = result.value.data.volume;
    // @ts-expect-error - a price is text here.
    const wrong: number = result.value.data.current_price;
    console.log(volume, wrong);
    return result.value.data.current_price;
}

export async function everything(): Promise<void> {
    const stream = client.messages('AAPL', { channels: ['quotes', 'bars.1m'], buffer: 10 });
    stream.add(['MSFT']);
    stream.remove(new Set(['AAPL']));
    for await (const message of stream) {
        const one: Message = message;
        switch (message.type) {
            case 'market_data':
                console.log(message.data.current_price);
                break;
            case 'bar':
                console.log(message.close, message.state);
                break;
            case 'gap':
                console.log(message.dropped, message.channel);
                break;
            case 'status':
                console.log(message.provider, message.state);
                break;
            default: {
                const trouble: 'error' = message.type;
                console.log(trouble, one);
            }
        }
    }
    const bar: Bar | undefined = (await client.bars('AAPL', '1m', { snapshot: false }).next()).value;
    console.log(bar?.high, stream.missed, stream.rejected.get('MSFT')?.code, client.counts.repeated);
    stream.close();
    await client.close();
}

export function mistakes(): void {
    // @ts-expect-error - prices come in two forms.
    const options: ClientOptions = { prices: 'decimal' };
    // @ts-expect-error - quotes are what a stream is of.
    client.stream('AAPL', { channels: ['quotes'] });
    console.log(options, new Refused('no', 404).symbol, new Disconnected('gone').code);
}
