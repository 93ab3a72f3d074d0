package org.kerasselfattn.stream;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads a JSON text: objects as maps, arrays as lists, numbers as doubles.
 *
 * Android has a reader of its own, but plain Java has not.
 */
final class Json {
    private static final int DEEPEST = 32;

    private final String text;
    private int at;
    private int depth;

    private Json(String text) {
        this.text = text;
    }

    static Object parse(String text) {
        Json reader = new Json(text);
        Object value = reader.value();
        reader.skipBlanks();
        if (reader.at != text.length()) {
            throw reader.broken();
        }
        return value;
    }

    private StreamException broken() {
        return new StreamException("No JSON text: it breaks off at letter " + at + ".");
    }

    private void skipBlanks() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private char next() {
        if (at == text.length()) {
            throw broken();
        }
        return text.charAt(at++);
    }

    private boolean take(String word) {
        if (!text.startsWith(word, at)) {
            return false;
        }
        at += word.length();
        return true;
    }

    private Object value() {
        if (++depth > DEEPEST) {
            throw broken();
        }
        skipBlanks();
        Object value;
        if (take("{")) {
            value = object();
        } else if (take("[")) {
            value = list();
        } else if (take("\"")) {
            value = string();
        } else if (take("null")) {
            value = null;
        } else if (take("true")) {
            value = true;
        } else if (take("false")) {
            value = false;
        } else {
            value = number();
        }
        depth--;
        return value;
    }

    private Map<String, Object> object() {
        Map<String, Object> found = new LinkedHashMap<>();
        skipBlanks();
        if (take("}")) {
            return found;
        }
        while (true) {
            skipBlanks();
            if (!take("\"")) {
                throw broken();
            }
            String key = string();
            skipBlanks();
            if (!take(":")) {
                throw broken();
            }
            found.put(key, value());
            if (isEnd('}')) {
                return found;
            }
        }
    }

    private List<Object> list() {
        List<Object> found = new ArrayList<>();
        skipBlanks();
        if (take("]")) {
            return found;
        }
        while (true) {
            found.add(value());
            if (isEnd(']')) {
                return found;
            }
        }
    }

    private boolean isEnd(char closing) {
        skipBlanks();
        char mark = next();
        if (mark != closing && mark != ',') {
            throw broken();
        }
        return mark == closing;
    }

    private String string() {
        StringBuilder found = new StringBuilder();
        while (true) {
            char letter = next();
            if (letter == '"') {
                return found.toString();
            }
            if (letter != '\\') {
                found.append(letter);
                continue;
            }
            char mark = next();
            int place = "\"\\/bfnrt".indexOf(mark);
            if (place >= 0) {
                found.append("\"\\/\b\f\n\r\t".charAt(place));
            } else if (mark == 'u' && at + 4 <= text.length()) {
                found.append((char) hexadecimal(text.substring(at, at + 4)));
                at += 4;
            } else {
                throw broken();
            }
        }
    }

    private int hexadecimal(String digits) {
        try {
            return Integer.parseInt(digits, 16);
        } catch (NumberFormatException error) {
            throw broken();
        }
    }

    private Double number() {
        int start = at;
        while (at < text.length() && "+-.0123456789eE".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        try {
            return Double.valueOf(text.substring(start, at));
        } catch (NumberFormatException error) {
            throw broken();
        }
    }
}
