/** Where one is, and where one wants to be. */
import { useEffect, useState } from 'preact/hooks';
import { at, go, ground, spaceTitle, space } from '../app/place';
import { explain, parseAddress } from '../model/address';
import { formatHex } from '../model/size';

export const ADDRESS_BOX = 'address';

export function AddressBox() {
  const [text, setText] = useState<string | null>(null);
  const [trouble, setTrouble] = useState('');
  const here = formatHex(at.value);
  useEffect(() => {
    setText(null);
    setTrouble('');
  }, [here]);
  const submit = (event: Event) => {
    event.preventDefault();
    const address = parseAddress(text ?? here, ground.value);
    if ('error' in address) return setTrouble(address.error === 'empty' ? '' : explain(address));
    setText(null);
    setTrouble('');
    go({ at: address.offset });
  };
  return (
    <form class="address" role="search" aria-label="Address" onSubmit={submit}>
      <label for={ADDRESS_BOX}>
        Address <span class="address-space">in {spaceTitle(space.value)}</span>
      </label>
      <input
        id={ADDRESS_BOX}
        value={text ?? here}
        spellcheck={false}
        autocomplete="off"
        autocapitalize="off"
        title={`In ${spaceTitle(space.value)}. 0x1f00, 4096, 4M, s8 (sector), c3 (chunk), 50%, end; +512 and -1c from here. Key g.`}
        aria-invalid={trouble !== ''}
        aria-describedby="address-trouble"
        onFocus={(event) => event.currentTarget.select()}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return;
          setText(null);
          setTrouble('');
          event.currentTarget.blur();
        }}
      />
      <button>Go</button>
      <output id="address-trouble" role="alert">
        {trouble}
      </output>
    </form>
  );
}
