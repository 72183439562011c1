"""Classes of samples: their names, their numbers, and lists of them, as in `Config`'s classes and class_names.

No TensorFlow here. `config` is a `Config` everywhere.
"""

import re
from typing import Any, List, Optional, Sequence, Tuple

from wgan_tf1 import files
from wgan_tf1.errors import UserError


def class_words(classes: str) -> List[str]:
  """Returns the names or numbers that `classes` lists: '3, 0' -> ['3', '0']."""
  found = [word.strip() for word in classes.split(',')]
  if not all(found) or len(set(found)) < len(found):
    raise UserError('classes=%s: must be a list of different classes such as 0,3,5 or cat,dog' % classes)
  return found


def class_names(config: Any) -> Tuple[str, ...]:
  """Returns the names of the classes of a run's data, in the order of their numbers; () if they have no names."""
  return tuple(config.class_names.split('/')) if config.class_names else ()


def class_number(names: Sequence[str], word: str) -> Optional[int]:
  """Returns the number of the class that `word` names; None if there is no such class.

  A class may be given by its number too, unless all names are numbers, where 3 is the class named 3. Without names any
  number is a class.
  """
  word = files.portable_name(word)
  if word in names:
    return names.index(word)
  if not re.match('[0-9]{1,5}$', word) or (names and all(re.match('-?[0-9]+$', name) for name in names)):
    return None
  return int(word) if not names or int(word) < len(names) else None


def class_numbers(classes: str, names: Sequence[str] = ()) -> Tuple[int, ...]:
  """Returns the numbers of the classes that `classes` lists, in order: '3,0' -> (0, 3).

  Raises:
    UserError: if it is not a list of different classes.
  """
  found = []
  for word in class_words(classes):
    of_word = class_number(names, word)
    if of_word is None and not names:
      raise UserError('classes=%s: must be a list of labels such as 0,3,5' % classes)
    if of_word is None:
      raise UserError('classes=%s: there is no class %s. The classes are %s' % (classes, word, first_names(names)))
    found.append(of_word)
  if len(set(found)) < len(found):
    raise UserError('classes=%s: must be a list of different classes' % classes)
  return tuple(sorted(found))


def first_names(names: Sequence[str]) -> str:
  """Returns the first names of classes, for a message."""
  return ', '.join(names[:20]) + (' and %d more' % (len(names) - 20) if len(names) > 20 else '')


def sample_classes(config: Any) -> Tuple[int, ...]:
  """Returns the numbers of the classes that a class-conditional generator is trained on, in order."""
  if config.classes is not None:
    return class_numbers(config.classes, class_names(config))
  return tuple(range(config.class_count or 0))
