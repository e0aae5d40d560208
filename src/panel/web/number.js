// The citizen identification number of GB 11643, as it is typed: 17 digits and a check character.

export const LENGTH = 18;

const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECKS = '10X98765432';

// The check character behind 17 digits (ISO 7064, MOD 11-2).
export function checkOf(digits) {
  const sum = WEIGHTS.reduce((sum, weight, at) => sum + weight * Number(digits[at]), 0);
  return CHECKS[sum % 11];
}

export function isRight(number) {
  return /^\d{17}[\dX]$/.test(number) && checkOf(number) === number[LENGTH - 1];
}

// What is typed after this key; the same again where the key can not be.
export function typed(number, key) {
  if (number.length >= LENGTH) return number;
  if (/^\d$/.test(key)) return number + key;
  return key === 'X' && number.length === LENGTH - 1 ? number + 'X' : number;
}

// As people read it: region, birthday, the rest.
export function grouped(number) {
  return [number.slice(0, 6), number.slice(6, 14), number.slice(14)].filter(Boolean).join(' ');
}
