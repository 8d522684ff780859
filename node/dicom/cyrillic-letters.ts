/**
 * How likely one letter follows another in Russian names and in the words of medical images, measured on surnames,
 * given names, patronymics, radiological terms and official text. A row per first letter, a column per second; the first
 * row and column are the edge of a word. Digits are base 36 and count quarters of −ln(probability).
 */
const letters = '_абвгдежзийклмнопрстуфхцчшщъыьэюяё'
const rows = [
  'zbebcdfifczadbdcacadjfkijipzzzjklz',
  '4zidhfilfjiebf8zhbedmijgklpzzzzrdv',
  'eaitti7teatictj5h9otdtltttkleithkh',
  '55zzjldzo9zqeladtkhrrztllvzzgjzzmz',
  'c8jvvj8vvavcfod5v7vvevvvvvvvvvvvvv',
  'g9wjwo8jk7wkhde6j9gmewwkwwwwmewwps',
  'ati7fbckfmfece7ii9fczjmlglmzzzzszv',
  'c9mqq84qqbqeqqefqqdqbqqqqqqqqqqqqq',
  '85lfhcguubuhjhe7uduubuuuuuuucfumuu',
  'ahqggfcpffdbcb8hjdbdzmfgajrzzzzobz',
  '1ttttilttttjcldftjjktttjtttttttttt',
  'b8ynuyjyy8yydnh4ydbecyyiyyyymnyyyy',
  'e8yyjy6ny9ylgnk7yyoyfyyynyyyg7yeee',
  'b6txkx8xx7xkndk6jkmxexxxxxxxjxxogg',
  'b5zunfdzu7zhzzc7zzecnizlqzzzdjzzlp',
  'dze4ehhkfoeeafamh9cerhlrioozzzzylz',
  'e7vvvv9vvcvpdve5f7vjhvvvnkvvkjvvjj',
  'd7jleh8kz8zgpgf6owjfcplpzmzzifzjhm',
  'f9rhyq8tray9cie9egg6fttyypyynjyygk',
  'a8ydjj9yy8ydltd7y9imeyyytyyygbynlk',
  'debigahdauua8egudbafuucuchkuuuugpu',
  'jarrrr8rm4rrdjr7rcrrirrrrrrrrhrrr9',
  '56rrrrgrr8rrgge7rcrjgrrrrrrrrrrrrr',
  'd8rgrr7rr3rdrrrbrrrrmrrrrrrrgrrrrr',
  '3duuuu6uubugum9quiujfuuuuuuumhuuud',
  'haqqqq5qq6qcqd9aqqqgcqqqqqqqqmqqqe',
  'mcmmmm4mm6mmmmhmmmmmammmmmmmm9mmmh',
  'ffffff7fffffffffffffffffffffffffff',
  '6sfhsgchgs5eefesggdiss9shessssssos',
  '6uidgu5ueeukuf8uuugfumuimiuuuuug9f',
  'lllll5lllll878lllllcllllllllllllll',
  '9paph8pppppbcphdp9bcpppp9dappppppp',
  '2vkignfpfvmakfavvkgivvkkiklvvvvprv',
  'iqq4b8qqeqqqmc6qqfqcqqqqqfqqqqqqqq',
]

const quarter = 4
const followers = new Map(
  Array.from(letters, (first, row) => [
    first,
    new Map(
      Array.from(letters, (second, column) => [
        second,
        -Number.parseInt(rows[row]?.charAt(column) ?? 'z', 36) / quarter,
      ]),
    ),
  ]),
)

/** What two characters cost of which one is no Russian letter. */
const alien = -11

/** Log likelihood of a word in small letters, its edges included. */
export function wordLikelihood(word: string): number {
  let sum = 0
  let before = '_'
  for (const char of word) {
    sum += followers.get(before)?.get(char) ?? alien
    before = char
  }
  return sum + (followers.get(before)?.get('_') ?? alien)
}
